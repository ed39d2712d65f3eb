/* The load generator over UDP: a window of queries in flight, or so many a second.
 *
 *   load PORT FILE SECONDS [window N | rate N] [core N] [first N] [any]
 *
 * FILE is what workloads.py writes. Prints one JSON object, as load.py does, which does
 * the same where there is no compiler. "first" is where the counter begins; "any" takes
 * every reply for right. A reply lost in a window is made up for after half a second.
 * Each query costs one send and each reply one receive, as with dnsperf.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define MOST 512 /* bytes of a query */
#define LONGEST 4096
#define PATIENCE 500000000LL
#define BUCKETS 20000 /* of 5 microseconds each: up to 100 ms */
#define BUCKET 5000

struct query { int size, rcode, answers; unsigned char *wire; };
struct flight { long long sent; int query, open; };

static struct query *queries;
static int count, counter_at, window = 64, rate, any, first;
static struct flight flights[65536];
static long histogram[BUCKETS + 1], rcodes[16];
static long sent, answered, lost, wrong;
static double slowest_us;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void read_queries(const char *path) {
    FILE *file = fopen(path, "rb");
    unsigned char head[4];
    if (!file || fread(head, 1, 2, file) != 2) { perror(path); exit(1); }
    counter_at = head[0] << 8 | head[1];
    while (fread(head, 1, 4, file) == 4) {
        struct query q = {head[0] << 8 | head[1], head[2], head[3], NULL};
        q.wire = malloc(q.size);
        if (q.size > MOST || fread(q.wire, 1, q.size, file) != (size_t)q.size) exit(1);
        queries = realloc(queries, (count + 1) * sizeof q);
        queries[count++] = q;
    }
    fclose(file);
    if (!count) { fprintf(stderr, "%s: no queries\n", path); exit(1); }
}

static void write_query(int sock) {
    unsigned char out[MOST + 2];
    int id = sent & 0xffff, which = sent % count;
    struct query *q = &queries[which];
    out[0] = id >> 8, out[1] = id;
    memcpy(out + 2, q->wire, q->size);
    if (counter_at) {
        char digits[9];
        snprintf(digits, sizeof digits, "%08x", (unsigned)(first + sent));
        memcpy(out + 2 + counter_at, digits, 8);
    }
    if (flights[id].open) lost++;
    flights[id] = (struct flight){now(), which, 1};
    if (send(sock, out, q->size + 2, 0) < 0 && errno != ECONNREFUSED) {
        perror("send");
        exit(1);
    }
    sent++;
}

static void take(const unsigned char *reply, int size, long long at) {
    if (size < 12) return;
    struct flight *f = &flights[reply[0] << 8 | reply[1]];
    if (!f->open) return; /* late: it has been counted as lost */
    f->open = 0;
    answered++;
    struct query *q = &queries[f->query];
    int rcode = reply[3] & 15, answers = (reply[6] | reply[7]) != 0;
    rcodes[rcode]++;
    if (!any && (!(reply[2] & 0x80) || rcode != q->rcode || answers != q->answers))
        wrong++;
    long long took = at - f->sent;
    histogram[took / BUCKET < BUCKETS ? took / BUCKET : BUCKETS]++;
    if (took / 1e3 > slowest_us) slowest_us = took / 1e3;
}

/* Take what has come, waiting for the first; return how many that were. */
static int read_replies(int sock, int flags) {
    unsigned char in[LONGEST];
    int size, count = 0;
    while ((size = recv(sock, in, sizeof in, flags)) >= 0) {
        take(in, size, now());
        count++, flags = MSG_DONTWAIT;
    }
    return count;
}

static void give_up_late(void) {
    for (int id = 0; id < 65536; id++)
        if (flights[id].open) flights[id].open = 0, lost++;
}

static void keep_window(int sock, long long end) {
    while (now() < end) {
        while (sent - answered - lost < window) write_query(sock);
        if (!read_replies(sock, 0)) give_up_late();
    }
}

static void keep_rate(int sock, long long begin, long long end) {
    long long at;
    struct pollfd waiting = {sock, POLLIN, 0};
    prctl(PR_SET_TIMERSLACK, 1);
    while ((at = now()) < end) {
        long due = (at - begin) * (double)rate / 1e9 - sent;
        if (due > 0) write_query(sock);
        if (read_replies(sock, MSG_DONTWAIT) || due > 0) continue;
        long long next = begin + (sent + 1) * 1e9 / rate - now();
        struct timespec wait = {0, next > 0 ? next % 1000000000 : 0};
        ppoll(&waiting, 1, &wait, NULL);
    }
}

static double percentile(double share) {
    long seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) >= answered * share) return (i + 1) * BUCKET / 1e3;
    return slowest_us;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    for (int i = 4; i < argc; i++) {
        int value = i + 1 < argc ? atoi(argv[i + 1]) : 0;
        if (!strcmp(argv[i], "window")) window = value;
        if (!strcmp(argv[i], "rate")) rate = value;
        if (!strcmp(argv[i], "first")) first = value;
        if (!strcmp(argv[i], "any")) any = 1;
        if (!strcmp(argv[i], "core")) {
            cpu_set_t cores;
            CPU_ZERO(&cores);
            CPU_SET(value, &cores);
            sched_setaffinity(0, sizeof cores, &cores); /* fails where there is one */
        }
    }
    read_queries(argv[2]);
    int sock = socket(AF_INET, SOCK_DGRAM, 0), buffer = 4 << 20;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    struct timeval patience = {0, PATIENCE / 1000};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(sock, (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 1; }
    long long begin = now(), end = begin + atof(argv[3]) * 1e9;
    if (rate) keep_rate(sock, begin, end);
    else keep_window(sock, end);
    double seconds = (now() - begin) / 1e9;
    while (sent - answered - lost > 0 && read_replies(sock, 0)) {}
    give_up_late();
    printf("{\"sent\":%ld,\"answered\":%ld,\"lost\":%ld,\"wrong\":%ld,\"seconds\":%.6f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"rcodes\":{",
           sent, answered, lost, wrong, seconds, percentile(.5), percentile(.99),
           percentile(.999), slowest_us);
    for (int i = 0, n = 0; i < 16; i++)
        if (rcodes[i]) printf("%s\"%d\":%ld", n++ ? "," : "", i, rcodes[i]);
    printf("}}\n");
    return 0;
}
