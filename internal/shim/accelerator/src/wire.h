/* The frames' layouts and constants, named as in wire.py. The specification is
 * internal/wire/doc.go. */
#ifndef GIRIN_WIRE_H
#define GIRIN_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { MAX_PACKET = 4096, REQUEST_HEAD = 32, RESPONSE_HEAD = 36, FRAME_PLACE = 4, PAGE_STEP = 5, PAGE_FIRST_SLOT = 16, FLAG_MASK = 0xffff };
enum { PAGE_UNIT = 16 << 10 };
enum { MAX_FIELDS = 0xffff, MAX_HEAD_BLOCK = 32 << 20 };
enum { JOINED = 1, LENGTHS = 2, ASGI_JOINED = 3 };
enum { QUICK = 1, SLOW = 2, IN_ARENA = 4, SPOOLED = 8, MEASURE_CPU = 16, UPGRADE = 32, STREAMED = 64 };
enum { RESPONSE = 1, BLOCK = 2, DROPPED = 4, FAILED = 5, TEXT_MESSAGE = 8, BINARY_MESSAGE = 9, TAKEN = 11 };
enum { INBOUND_HEAD = 20, TEXT_CAME = 3, BINARY_CAME = 4, MESSAGE_COST = 256, MAX_BLOCK = 64 << 20 };
enum { FINAL = 1, WHOLE = 2, IN_PAGE = 4 };

#define NOT_MEASURED 0xffffffffu
#define MAX_MICROSECONDS (NOT_MEASURED - 1)

static inline uint32_t
get_u32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static inline uint64_t
get_u64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static inline void
put_u16(unsigned char *at, uint16_t value)
{
    value = htole16(value);
    memcpy(at, &value, sizeof value);
}

static inline void
put_u32(unsigned char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static inline void
put_u64(unsigned char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

#endif
