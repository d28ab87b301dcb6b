/* The GNU extensions that `import Glibc` does not show, in the two shapes that sojourn needs. */
#ifndef SOJOURN_SYSTEM_H
#define SOJOURN_SYSTEM_H

#include <sys/types.h>

/* Starts `program`, found on PATH, in a session of its own and in the working folder `folder` (NULL: that of the
 * caller), with the descriptor `input` as standard input (negative: /dev/null), `output` and `errors` as standard
 * output and error, no other descriptor, no blocked or ignored signal. Returns 0, or the errno of what failed. */
int sojourn_spawn(
    pid_t *process, const char *program, char *const arguments[], char *const environment[], const char *folder,
    int input, int output, int errors);

/* A pipe whose ends no child inherits; 0, or -1 and errno. */
int sojourn_pipe(int ends[2]);

/* How many cores this process may run on; 0 when the system does not say. */
int sojourn_affinity(void);

#endif
