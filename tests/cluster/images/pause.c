/* The sandbox's process: holds a pod's namespaces, reaps orphans, ends at the first signal that asks it to. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void reap(int signal) {
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

static void end(int signal) {
    (void)signal;
    _exit(0);
}

int main(void) {
    signal(SIGCHLD, reap);
    signal(SIGINT, end);
    signal(SIGTERM, end);
    for (;;) {
        pause();
    }
}
