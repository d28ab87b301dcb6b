/* One #embed per file of lua/. A test checks that none is missing. */
#include "CSojournLua.h"
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char lua_ack[] = {
#embed "../../lua/ack.lua"
};
static const unsigned char lua_adopt[] = {
#embed "../../lua/adopt.lua"
};
static const unsigned char lua_agents[] = {
#embed "../../lua/agents.lua"
};
static const unsigned char lua_alive[] = {
#embed "../../lua/alive.lua"
};
static const unsigned char lua_append[] = {
#embed "../../lua/append.lua"
};
static const unsigned char lua_ask[] = {
#embed "../../lua/ask.lua"
};
static const unsigned char lua_beat[] = {
#embed "../../lua/beat.lua"
};
static const unsigned char lua_cancel[] = {
#embed "../../lua/cancel.lua"
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
static const unsigned char lua_disown[] = {
#embed "../../lua/disown.lua"
};
static const unsigned char lua_end[] = {
#embed "../../lua/end.lua"
};
static const unsigned char lua_enlist[] = {
#embed "../../lua/enlist.lua"
};
static const unsigned char lua_erase[] = {
#embed "../../lua/erase.lua"
};
static const unsigned char lua_extend[] = {
#embed "../../lua/extend.lua"
};
static const unsigned char lua_finish[] = {
#embed "../../lua/finish.lua"
};
static const unsigned char lua_fire[] = {
#embed "../../lua/fire.lua"
};
static const unsigned char lua_follow[] = {
#embed "../../lua/follow.lua"
};
static const unsigned char lua_gather[] = {
#embed "../../lua/gather.lua"
};
static const unsigned char lua_lease[] = {
#embed "../../lua/lease.lua"
};
static const unsigned char lua_limit[] = {
#embed "../../lua/limit.lua"
};
static const unsigned char lua_list[] = {
#embed "../../lua/list.lua"
};
static const unsigned char lua_mend[] = {
#embed "../../lua/mend.lua"
};
static const unsigned char lua_meta[] = {
#embed "../../lua/meta.lua"
};
static const unsigned char lua_note[] = {
#embed "../../lua/note.lua"
};
static const unsigned char lua_page[] = {
#embed "../../lua/page.lua"
};
static const unsigned char lua_patch[] = {
#embed "../../lua/patch.lua"
};
static const unsigned char lua_presence[] = {
#embed "../../lua/presence.lua"
};
static const unsigned char lua_present[] = {
#embed "../../lua/present.lua"
};
static const unsigned char lua_purge[] = {
#embed "../../lua/purge.lua"
};
static const unsigned char lua_read[] = {
#embed "../../lua/read.lua"
};
static const unsigned char lua_register[] = {
#embed "../../lua/register.lua"
};
static const unsigned char lua_release[] = {
#embed "../../lua/release.lua"
};
static const unsigned char lua_reply[] = {
#embed "../../lua/reply.lua"
};
static const unsigned char lua_report[] = {
#embed "../../lua/report.lua"
};
static const unsigned char lua_ring[] = {
#embed "../../lua/ring.lua"
};
static const unsigned char lua_sample[] = {
#embed "../../lua/sample.lua"
};
static const unsigned char lua_say[] = {
#embed "../../lua/say.lua"
};
static const unsigned char lua_stand[] = {
#embed "../../lua/stand.lua"
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
static const unsigned char lua_trim[] = {
#embed "../../lua/trim.lua"
};
static const unsigned char lua_turns[] = {
#embed "../../lua/turns.lua"
};
static const unsigned char lua_waiting[] = {
#embed "../../lua/waiting.lua"
};
static const unsigned char lua_include_act[] = {
#embed "../../lua/include/act.lua"
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
static const unsigned char lua_include_fields[] = {
#embed "../../lua/include/fields.lua"
};
static const unsigned char lua_include_fresh[] = {
#embed "../../lua/include/fresh.lua"
};
static const unsigned char lua_include_iso[] = {
#embed "../../lua/include/iso.lua"
};
static const unsigned char lua_include_keep[] = {
#embed "../../lua/include/keep.lua"
};
static const unsigned char lua_include_lapse[] = {
#embed "../../lua/include/lapse.lua"
};
static const unsigned char lua_include_lead[] = {
#embed "../../lua/include/lead.lua"
};
static const unsigned char lua_include_open[] = {
#embed "../../lua/include/open.lua"
};
static const unsigned char lua_include_rearm[] = {
#embed "../../lua/include/rearm.lua"
};
static const unsigned char lua_include_record[] = {
#embed "../../lua/include/record.lua"
};
static const unsigned char lua_include_renewed[] = {
#embed "../../lua/include/renewed.lua"
};
static const unsigned char lua_include_replay[] = {
#embed "../../lua/include/replay.lua"
};
static const unsigned char lua_include_requeue[] = {
#embed "../../lua/include/requeue.lua"
};
static const unsigned char lua_include_slice[] = {
#embed "../../lua/include/slice.lua"
};
static const unsigned char lua_include_stop[] = {
#embed "../../lua/include/stop.lua"
};
static const unsigned char lua_include_take[] = {
#embed "../../lua/include/take.lua"
};
static const unsigned char lua_include_turn[] = {
#embed "../../lua/include/turn.lua"
};
static const unsigned char lua_include_unlease[] = {
#embed "../../lua/include/unlease.lua"
};
static const unsigned char lua_include_unsteer[] = {
#embed "../../lua/include/unsteer.lua"
};
static const unsigned char lua_include_writer[] = {
#embed "../../lua/include/writer.lua"
};

static const csojourn_lua_file files[] = {
    { "ack", lua_ack, sizeof lua_ack },
    { "adopt", lua_adopt, sizeof lua_adopt },
    { "agents", lua_agents, sizeof lua_agents },
    { "alive", lua_alive, sizeof lua_alive },
    { "append", lua_append, sizeof lua_append },
    { "ask", lua_ask, sizeof lua_ask },
    { "beat", lua_beat, sizeof lua_beat },
    { "cancel", lua_cancel, sizeof lua_cancel },
    { "claim", lua_claim, sizeof lua_claim },
    { "create", lua_create, sizeof lua_create },
    { "delta", lua_delta, sizeof lua_delta },
    { "disown", lua_disown, sizeof lua_disown },
    { "end", lua_end, sizeof lua_end },
    { "enlist", lua_enlist, sizeof lua_enlist },
    { "erase", lua_erase, sizeof lua_erase },
    { "extend", lua_extend, sizeof lua_extend },
    { "finish", lua_finish, sizeof lua_finish },
    { "fire", lua_fire, sizeof lua_fire },
    { "follow", lua_follow, sizeof lua_follow },
    { "gather", lua_gather, sizeof lua_gather },
    { "lease", lua_lease, sizeof lua_lease },
    { "limit", lua_limit, sizeof lua_limit },
    { "list", lua_list, sizeof lua_list },
    { "mend", lua_mend, sizeof lua_mend },
    { "meta", lua_meta, sizeof lua_meta },
    { "note", lua_note, sizeof lua_note },
    { "page", lua_page, sizeof lua_page },
    { "patch", lua_patch, sizeof lua_patch },
    { "presence", lua_presence, sizeof lua_presence },
    { "present", lua_present, sizeof lua_present },
    { "purge", lua_purge, sizeof lua_purge },
    { "read", lua_read, sizeof lua_read },
    { "register", lua_register, sizeof lua_register },
    { "release", lua_release, sizeof lua_release },
    { "reply", lua_reply, sizeof lua_reply },
    { "report", lua_report, sizeof lua_report },
    { "ring", lua_ring, sizeof lua_ring },
    { "sample", lua_sample, sizeof lua_sample },
    { "say", lua_say, sizeof lua_say },
    { "stand", lua_stand, sizeof lua_stand },
    { "stats", lua_stats, sizeof lua_stats },
    { "steal", lua_steal, sizeof lua_steal },
    { "tick", lua_tick, sizeof lua_tick },
    { "touch", lua_touch, sizeof lua_touch },
    { "trim", lua_trim, sizeof lua_trim },
    { "turns", lua_turns, sizeof lua_turns },
    { "waiting", lua_waiting, sizeof lua_waiting },
    { "include/act", lua_include_act, sizeof lua_include_act },
    { "include/branch", lua_include_branch, sizeof lua_include_branch },
    { "include/clock", lua_include_clock, sizeof lua_include_clock },
    { "include/clock_test", lua_include_clock_test, sizeof lua_include_clock_test },
    { "include/deadline", lua_include_deadline, sizeof lua_include_deadline },
    { "include/emit", lua_include_emit, sizeof lua_include_emit },
    { "include/expired", lua_include_expired, sizeof lua_include_expired },
    { "include/fields", lua_include_fields, sizeof lua_include_fields },
    { "include/fresh", lua_include_fresh, sizeof lua_include_fresh },
    { "include/iso", lua_include_iso, sizeof lua_include_iso },
    { "include/keep", lua_include_keep, sizeof lua_include_keep },
    { "include/lapse", lua_include_lapse, sizeof lua_include_lapse },
    { "include/lead", lua_include_lead, sizeof lua_include_lead },
    { "include/open", lua_include_open, sizeof lua_include_open },
    { "include/rearm", lua_include_rearm, sizeof lua_include_rearm },
    { "include/record", lua_include_record, sizeof lua_include_record },
    { "include/renewed", lua_include_renewed, sizeof lua_include_renewed },
    { "include/replay", lua_include_replay, sizeof lua_include_replay },
    { "include/requeue", lua_include_requeue, sizeof lua_include_requeue },
    { "include/slice", lua_include_slice, sizeof lua_include_slice },
    { "include/stop", lua_include_stop, sizeof lua_include_stop },
    { "include/take", lua_include_take, sizeof lua_include_take },
    { "include/turn", lua_include_turn, sizeof lua_include_turn },
    { "include/unlease", lua_include_unlease, sizeof lua_include_unlease },
    { "include/unsteer", lua_include_unsteer, sizeof lua_include_unsteer },
    { "include/writer", lua_include_writer, sizeof lua_include_writer },
};

const csojourn_lua_file *csojourn_lua_files(size_t *count) {
    *count = sizeof files / sizeof *files;
    return files;
}
