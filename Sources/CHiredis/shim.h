/* hiredis formats commands and parses replies; the bytes move through our own ByteStream. */
#ifndef SOJOURN_CHIREDIS_H
#define SOJOURN_CHIREDIS_H
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#endif
