/* When a slot's batch is sent: before the slot waits, and at an answer's tail,
 * the iterable's last next() and close(), if that may last. */
#include "girin.h"

enum {
    SLOW_TAIL = 1000000, /* ns; a close() that takes longer must not hold answers back */
    WARY_TAILS = 256,    /* after one such, so many answers are sent before their close() */
};

/* Sends what the batch holds; from any thread. */
void
slot_flush(Slot *slot)
{
    if (slot->batch->size > 0) {
        send_batch(&slot->loop->sender, slot->batch);
    }
}

/* The answer is complete; the iterable's last next() and close() follow. The
 * answer may wait for the batch only if those are quick too. */
void
slot_before_tail(Slot *slot, int quick)
{
    if (quick && slot->token && slot->wary == 0) {
        slot->tail_began = clock_ns(CLOCK_MONOTONIC);
        return;
    }
    if (slot->wary > 0) {
        slot->wary--;
        slot->tail_began = clock_ns(CLOCK_MONOTONIC);
    }
    slot_flush(slot);
}

/* close() has returned. */
void
slot_after_tail(Slot *slot)
{
    if (slot->tail_began != 0) {
        if (clock_ns(CLOCK_MONOTONIC) - slot->tail_began > SLOW_TAIL) {
            slot->wary = WARY_TAILS;
        }
        slot->tail_began = 0;
    }
}
