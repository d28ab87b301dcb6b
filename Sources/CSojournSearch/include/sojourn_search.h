/* Full-text search for SQLite's FTS5: a tokenizer for all languages, and what a rank is made of. */
#ifndef SOJOURN_SEARCH_H
#define SOJOURN_SEARCH_H
#include <sqlite3.h>
#include <stdint.h>

/* Makes the tokenizer `sojourn` and the auxiliary function `sojourn_counts` known to a connection.
 *
 * The tokenizer is unicode61 without diacritics, but text of languages that are written without spaces (Han, kana,
 * Hangul, Thai, Lao, Khmer, Burmese) becomes the overlapping pairs of its characters.
 *
 * `sojourn_counts(table)` is a blob of native 32-bit integers: the number of tokens in the first column of the row, then
 * for each phrase of the query how often that column has it. Unlike bm25() it does not look at any other row.
 *
 * Returns a SQLite result code. */
int sojourn_search_register(sqlite3 *db);

/* Whether a code point is of a language that is written without spaces, or of Korean. */
int sojourn_search_is_dense(uint32_t c);
#endif
