/* A UDP echo: one recvfrom and one sendto per datagram. What any server pays. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET}, from;
    char data[4096];
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    at.sin_port = htons(argc > 1 ? atoi(argv[1]) : 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(sock, (struct sockaddr *)&at, sizeof at) != 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        socklen_t length = sizeof from;
        ssize_t size = recvfrom(sock, data, sizeof data, 0, (struct sockaddr *)&from, &length);
        if (size > 2) {
            data[2] |= 0x80; /* a response, so that the generator counts it */
            sendto(sock, data, size, 0, (struct sockaddr *)&from, length);
        }
    }
}
