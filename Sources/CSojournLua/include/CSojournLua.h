/* The Lua files of lua/, embedded in the binary. */
#ifndef CSOJOURN_LUA_H
#define CSOJOURN_LUA_H
#include <stddef.h>

typedef struct {
    const char *name;           /* the path below lua/ without its ending, e.g. "include/now" */
    const unsigned char *bytes; /* not zero-terminated */
    size_t length;
} csojourn_lua_file;

/* Every embedded file; `count` receives how many. The memory is static. */
const csojourn_lua_file *csojourn_lua_files(size_t *count);
#endif
