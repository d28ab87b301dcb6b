/* wslay: WebSocket frames (RFC 6455), read as a stream. */
#ifndef SOJOURN_CWSLAY_H
#define SOJOURN_CWSLAY_H
#include <wslay/wslay.h>
#endif
