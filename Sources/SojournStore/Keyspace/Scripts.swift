import SojournRedis

/// The scripts of `lua/`, one an operation; the files say what they take and answer.
struct Scripts: Sendable {
    let create: Script
    let read: Script
    /// Two keys, then four a session.
    let touch: Script
    let patch: Script
    let append: Script
    let delta: Script
    let page: Script
    let end: Script
    let tick: Script
    let fire: Script
    let waiting: Script
    let claim: Script
    let steal: Script
    let ack: Script
    let list: Script
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

    /// - Parameter testClock: whether sessions see the test clock instead of Redis time.
    init(testClock: Bool) {
        func script(_ name: String, _ keyCount: Int) -> Script {
            Script(name: name, source: ScriptSource.expanded(name, testClock: testClock), keyCount: keyCount)
        }
        self.create = script("create", 12)
        self.read = script("read", 4)
        self.touch = script("touch", 6)
        self.patch = script("patch", 6)
        self.append = script("append", 6)
        self.delta = script("delta", 5)
        self.page = script("page", 5)
        self.end = script("end", 15)
        self.tick = script("tick", 2)
        self.fire = script("fire", 8)
        self.waiting = script("waiting", 1)
        self.claim = script("claim", 3)
        self.steal = script("steal", 3)
        self.ack = script("ack", 6)
        self.list = script("list", 1)
        self.stats = script("stats", 4)
        self.register = script("register", 1)
        self.meta = script("meta", 1)
        self.say = script("say", 10)
        self.lease = script("lease", 8)
        self.extend = script("extend", 8)
        self.report = script("report", 8)
        self.finish = script("finish", 9)
        self.cancel = script("cancel", 8)
        self.turns = script("turns", 4)
        self.adopt = script("adopt", 7)
        self.enlist = script("enlist", 2)
        self.ring = script("ring", 2)
        self.agents = script("agents", 1)
        self.limit = script("limit", 1)
    }

    var all: [Script] {
        [
            self.create, self.read, self.touch, self.patch, self.append, self.delta, self.page, self.end, self.tick,
            self.fire,
            self.waiting, self.claim, self.steal, self.ack, self.list, self.stats, self.register, self.meta,
            self.say, self.lease, self.extend, self.report, self.finish, self.cancel, self.turns, self.adopt,
            self.enlist, self.ring, self.agents, self.limit,
        ]
    }
}
