/* SQLite, with the two destructor constants that Swift cannot import because they are casts. */
#ifndef SOJOURN_CSQLITE_H
#define SOJOURN_CSQLITE_H
#include <sqlite3.h>
/* Binds text that SQLite copies before it returns. */
static inline int sojourn_bind_text(sqlite3_stmt *s, int i, const char *p, sqlite3_uint64 n) {
    return sqlite3_bind_text64(s, i, p, n, SQLITE_TRANSIENT, SQLITE_UTF8);
}
/* Binds bytes that SQLite copies before it returns. */
static inline int sojourn_bind_blob(sqlite3_stmt *s, int i, const void *p, sqlite3_uint64 n) {
    return sqlite3_bind_blob64(s, i, p, n, SQLITE_TRANSIENT);
}
/* sqlite3_config and sqlite3_db_config are variadic, which Swift cannot call. */
static inline int sojourn_db_config_int(sqlite3 *db, int op, int value) {
    return sqlite3_db_config(db, op, value, (int *)0);
}
#endif
