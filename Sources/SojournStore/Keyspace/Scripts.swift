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

    /// - Parameter testClock: whether sessions see the test clock instead of Redis time.
    init(testClock: Bool) {
        func script(_ name: String, _ keyCount: Int) -> Script {
            Script(name: name, source: ScriptSource.expanded(name, testClock: testClock), keyCount: keyCount)
        }
        self.create = script("create", 11)
        self.read = script("read", 4)
        self.touch = script("touch", 6)
        self.patch = script("patch", 6)
        self.append = script("append", 6)
        self.delta = script("delta", 4)
        self.page = script("page", 5)
        self.end = script("end", 13)
        self.tick = script("tick", 2)
        self.fire = script("fire", 5)
        self.waiting = script("waiting", 1)
        self.claim = script("claim", 3)
        self.steal = script("steal", 3)
        self.ack = script("ack", 6)
        self.list = script("list", 1)
        self.stats = script("stats", 4)
        self.register = script("register", 1)
        self.meta = script("meta", 1)
    }

    var all: [Script] {
        [
            self.create, self.read, self.touch, self.patch, self.append, self.delta, self.page, self.end, self.tick,
            self.fire,
            self.waiting, self.claim, self.steal, self.ack, self.list, self.stats, self.register, self.meta,
        ]
    }
}
