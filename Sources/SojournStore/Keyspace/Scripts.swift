import SojournRedis

/// The scripts of `lua/`, one an operation; the files say what they take and answer.
struct Scripts: Sendable {
    let create: Script
    let read: Script
    /// One key, then one a session, or two for whole answers.
    let beat: Script
    let touch: Script
    let patch: Script
    let append: Script
    let delta: Script
    let page: Script
    /// Five keys, then eleven a session.
    let end: Script
    let tick: Script
    /// Three keys, then six a session.
    let fire: Script
    let waiting: Script
    /// Two keys, then two a session.
    let claim: Script
    /// Two keys, then two a session.
    let steal: Script
    /// One key, then three a session.
    let gather: Script
    /// One key, then four a session.
    let ack: Script
    let follow: Script
    let trim: Script
    /// Three keys a partition.
    let list: Script
    /// Five keys a partition.
    let stats: Script
    let register: Script
    let meta: Script
    let say: Script
    let lease: Script
    let extend: Script
    let report: Script
    let finish: Script
    let cancel: Script
    let turns: Script
    let adopt: Script
    let enlist: Script
    let ring: Script
    let agents: Script
    let limit: Script
    let ask: Script
    let reply: Script
    let alive: Script
    let purge: Script
    let erase: Script
    let release: Script
    let disown: Script
    let note: Script
    let mend: Script
    /// One key, then three a session.
    let presence: Script
    let present: Script
    let sample: Script
    /// One key, then one a session.
    let stand: Script

    /// - Parameter testClock: whether sessions see the test clock instead of Redis time.
    init(testClock: Bool) {
        func script(_ name: String, _ keyCount: Int) -> Script {
            Script(name: name, source: ScriptSource.expanded(name, testClock: testClock), keyCount: keyCount)
        }
        self.create = script("create", 13)
        self.read = script("read", 4)
        self.beat = script("beat", 2)
        self.touch = script("touch", 7)
        self.patch = script("patch", 7)
        self.append = script("append", 7)
        self.delta = script("delta", 5)
        self.page = script("page", 5)
        self.end = script("end", 16)
        self.tick = script("tick", 2)
        self.fire = script("fire", 9)
        self.waiting = script("waiting", 1)
        self.claim = script("claim", 4)
        self.steal = script("steal", 4)
        self.gather = script("gather", 4)
        self.ack = script("ack", 5)
        self.follow = script("follow", 5)
        self.trim = script("trim", 3)
        self.list = script("list", 3)
        self.stats = script("stats", 5)
        self.register = script("register", 1)
        self.meta = script("meta", 1)
        self.say = script("say", 11)
        self.lease = script("lease", 9)
        self.extend = script("extend", 9)
        self.report = script("report", 9)
        self.finish = script("finish", 10)
        self.cancel = script("cancel", 9)
        self.turns = script("turns", 4)
        self.adopt = script("adopt", 8)
        self.enlist = script("enlist", 2)
        self.ring = script("ring", 2)
        self.agents = script("agents", 1)
        self.limit = script("limit", 1)
        self.ask = script("ask", 1)
        self.reply = script("reply", 2)
        self.alive = script("alive", 1)
        self.purge = script("purge", 2)
        self.erase = script("erase", 8)
        self.release = script("release", 2)
        self.disown = script("disown", 5)
        self.note = script("note", 1)
        self.mend = script("mend", 10)
        self.presence = script("presence", 4)
        self.present = script("present", 2)
        self.sample = script("sample", 2)
        self.stand = script("stand", 3)
    }

    var all: [Script] {
        [
            self.create, self.read, self.beat, self.touch, self.patch, self.append, self.delta, self.page, self.end,
            self.tick,
            self.fire,
            self.waiting, self.claim, self.steal, self.gather, self.ack, self.follow, self.trim, self.list, self.stats,
            self.register, self.meta,
            self.say, self.lease, self.extend, self.report, self.finish, self.cancel, self.turns, self.adopt,
            self.enlist, self.ring, self.agents, self.limit, self.ask, self.reply, self.alive,
            self.purge, self.erase, self.release, self.disown, self.note, self.mend,
            self.presence, self.present, self.sample, self.stand,
        ]
    }
}
