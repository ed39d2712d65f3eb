/* lookup FOLDER NAME FAMILY: one getaddrinfo with /etc files from FOLDER.
   FAMILY is any, 4 or 6. Prints the error's name, or the sorted addresses. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static void use(const char *folder, const char *file)
{
	char from[512], to[512];
	snprintf(from, sizeof from, "%s/%s", folder, file);
	snprintf(to, sizeof to, "/etc/%s", file);
	if (mount(from, to, 0, MS_BIND, 0)) { perror(to); exit(3); }
}

static const char *error(int code)
{
	switch (code) {
	case EAI_AGAIN: return "EAI_AGAIN";
	case EAI_FAIL: return "EAI_FAIL";
	case EAI_NONAME: return "EAI_NONAME";
	case EAI_SYSTEM: return "EAI_SYSTEM";
	case EAI_MEMORY: return "EAI_MEMORY";
	case -5: return "EAI_NODATA";
	case -9: return "EAI_ADDRFAMILY";
	}
	return "EAI_OTHER";
}

static int order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
	char *found[256], text[64];
	int count = 0, code;
	struct addrinfo hints = {0}, *result, *each;
	if (argc != 4) return 3;
	if (unshare(CLONE_NEWNS)) { perror("unshare"); return 3; }
	if (mount("none", "/", 0, MS_REC | MS_PRIVATE, 0)) { perror("/"); return 3; }
	use(argv[1], "resolv.conf");
	use(argv[1], "hosts");
	use(argv[1], "nsswitch.conf");
	hints.ai_socktype = SOCK_STREAM;
	if (!strcmp(argv[3], "4")) hints.ai_family = AF_INET;
	if (!strcmp(argv[3], "6")) hints.ai_family = AF_INET6;
	code = getaddrinfo(argv[2], 0, &hints, &result);
	if (code) { puts(error(code)); return 0; }
	for (each = result; each && count < 256; each = each->ai_next) {
		const void *raw = each->ai_family == AF_INET
			? (void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
			: (void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
		found[count++] = strdup(inet_ntop(each->ai_family, raw, text, sizeof text));
	}
	qsort(found, count, sizeof *found, order);
	for (int i = 0; i < count; i++) printf("%s ", found[i]);
	puts("");
	return 0;
}
