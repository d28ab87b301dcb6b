/* One #embed per file of lua/. A test checks that none is missing. */
#include "CSojournLua.h"
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char lua_ack[] = {
#embed "../../lua/ack.lua"
};
static const unsigned char lua_append[] = {
#embed "../../lua/append.lua"
};
static const unsigned char lua_claim[] = {
#embed "../../lua/claim.lua"
};
static const unsigned char lua_create[] = {
#embed "../../lua/create.lua"
};
static const unsigned char lua_delta[] = {
#embed "../../lua/delta.lua"
};
static const unsigned char lua_end[] = {
#embed "../../lua/end.lua"
};
static const unsigned char lua_fire[] = {
#embed "../../lua/fire.lua"
};
static const unsigned char lua_list[] = {
#embed "../../lua/list.lua"
};
static const unsigned char lua_meta[] = {
#embed "../../lua/meta.lua"
};
static const unsigned char lua_page[] = {
#embed "../../lua/page.lua"
};
static const unsigned char lua_patch[] = {
#embed "../../lua/patch.lua"
};
static const unsigned char lua_read[] = {
#embed "../../lua/read.lua"
};
static const unsigned char lua_register[] = {
#embed "../../lua/register.lua"
};
static const unsigned char lua_stats[] = {
#embed "../../lua/stats.lua"
};
static const unsigned char lua_steal[] = {
#embed "../../lua/steal.lua"
};
static const unsigned char lua_tick[] = {
#embed "../../lua/tick.lua"
};
static const unsigned char lua_touch[] = {
#embed "../../lua/touch.lua"
};
static const unsigned char lua_waiting[] = {
#embed "../../lua/waiting.lua"
};
static const unsigned char lua_include_branch[] = {
#embed "../../lua/include/branch.lua"
};
static const unsigned char lua_include_clock[] = {
#embed "../../lua/include/clock.lua"
};
static const unsigned char lua_include_clock_test[] = {
#embed "../../lua/include/clock_test.lua"
};
static const unsigned char lua_include_deadline[] = {
#embed "../../lua/include/deadline.lua"
};
static const unsigned char lua_include_emit[] = {
#embed "../../lua/include/emit.lua"
};
static const unsigned char lua_include_expired[] = {
#embed "../../lua/include/expired.lua"
};
static const unsigned char lua_include_iso[] = {
#embed "../../lua/include/iso.lua"
};
static const unsigned char lua_include_lead[] = {
#embed "../../lua/include/lead.lua"
};
static const unsigned char lua_include_rearm[] = {
#embed "../../lua/include/rearm.lua"
};
static const unsigned char lua_include_renewed[] = {
#embed "../../lua/include/renewed.lua"
};
static const unsigned char lua_include_take[] = {
#embed "../../lua/include/take.lua"
};

static const csojourn_lua_file files[] = {
    { "ack", lua_ack, sizeof lua_ack },
    { "append", lua_append, sizeof lua_append },
    { "claim", lua_claim, sizeof lua_claim },
    { "create", lua_create, sizeof lua_create },
    { "delta", lua_delta, sizeof lua_delta },
    { "end", lua_end, sizeof lua_end },
    { "fire", lua_fire, sizeof lua_fire },
    { "list", lua_list, sizeof lua_list },
    { "meta", lua_meta, sizeof lua_meta },
    { "page", lua_page, sizeof lua_page },
    { "patch", lua_patch, sizeof lua_patch },
    { "read", lua_read, sizeof lua_read },
    { "register", lua_register, sizeof lua_register },
    { "stats", lua_stats, sizeof lua_stats },
    { "steal", lua_steal, sizeof lua_steal },
    { "tick", lua_tick, sizeof lua_tick },
    { "touch", lua_touch, sizeof lua_touch },
    { "waiting", lua_waiting, sizeof lua_waiting },
    { "include/branch", lua_include_branch, sizeof lua_include_branch },
    { "include/clock", lua_include_clock, sizeof lua_include_clock },
    { "include/clock_test", lua_include_clock_test, sizeof lua_include_clock_test },
    { "include/deadline", lua_include_deadline, sizeof lua_include_deadline },
    { "include/emit", lua_include_emit, sizeof lua_include_emit },
    { "include/expired", lua_include_expired, sizeof lua_include_expired },
    { "include/iso", lua_include_iso, sizeof lua_include_iso },
    { "include/lead", lua_include_lead, sizeof lua_include_lead },
    { "include/rearm", lua_include_rearm, sizeof lua_include_rearm },
    { "include/renewed", lua_include_renewed, sizeof lua_include_renewed },
    { "include/take", lua_include_take, sizeof lua_include_take },
};

const csojourn_lua_file *csojourn_lua_files(size_t *count) {
    *count = sizeof files / sizeof *files;
    return files;
}
