#ifndef SOJOURN_TEST_WIDTH_H
#define SOJOURN_TEST_WIDTH_H

/* The variable that says how many tests run at once; two for each core unless it is set. */
#define TEST_WIDTH "SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH"

#endif
