#include "test_width.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Left alone, Swift Testing starts every test at once, each with its own Redis servers, and they only wait for each
 * other. Two a core keep the cores busy and timing honest. Read by the library when it starts, so set before main. */
__attribute__((constructor)) static void limit_width(void) {
    char width[16];
    snprintf(width, sizeof width, "%ld", 2 * sysconf(_SC_NPROCESSORS_ONLN));
    setenv(TEST_WIDTH, width, 0);
}
