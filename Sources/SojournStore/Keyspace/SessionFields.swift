import SojournCore
import SojournRedis

/// The hash of a session as the scripts answer it: a flat list of names and values.
///
///     v schema   a agent and user, 16 bytes each   k hash of the conversation key
///     c created  b base  t timeout  w warning  m max duration  r auto-renewal  x deadline warned of
///     y lease end  z interaction deadline  n renewals  l last activity  o messages
///     yt lease token  yn running turn  ym major of the last token  ys whether messages wait for the running turn
///     tc last turn  ts where timeout, auto-renewal, max duration and warning come from
///     q head  e epoch  g first 16 digits of the replication id  k0..k7 the last branches
///     dn number of the newest delta  dm message being written  di its deltas  dp its pieces
///     wo archivist that follows it and its token, "id.token"  wa last event that one has on disk  wf first one it has
///     s reason of the end  f when it ended  co, ct, cr archivist and its token
///
/// Unknown fields are ignored: a newer minor version may have written them.
struct SessionFields {
    /// Names and values in turn, as they came. Searching twenty short names is quicker than hashing them first.
    private let flat: [RESPValue]

    init(flat: [RESPValue]) { self.flat = flat }

    var isEmpty: Bool { self.flat.count < 2 }
    func text(_ name: StaticString) -> String? { self.value(name)?.string }
    func bytes(_ name: StaticString) -> [UInt8]? { self.value(name)?.bytes }
    func number(_ name: StaticString) -> Int64? { self.value(name)?.int.map { Int64($0) } }

    private func value(_ name: StaticString) -> RESPValue? {
        let length = name.utf8CodeUnitCount
        var position = 0
        while position + 1 < self.flat.count {
            if case .bulk(let bytes) = self.flat[position], bytes.count == length {
                let isSame = unsafe bytes.elementsEqual(UnsafeBufferPointer(start: name.utf8Start, count: length))
                if isSame { return self.flat[position + 1] }
            }
            position += 2
        }
        return nil
    }

    func instant(_ name: StaticString) -> Instant? { self.number(name).map(Instant.init(milliseconds:)) }

    /// Agent and user, if the identity field is whole.
    static func identity(_ bytes: ArraySlice<UInt8>?) -> (agent: String, user: String)? {
        guard let bytes, bytes.count == 32, let agent = UUIDBits(bytes: bytes.prefix(16)),
            let user = UUIDBits(bytes: bytes.suffix(16))
        else { return nil }
        return (agent.text, user.text)
    }

    /// The session; nil when a field that every version writes is missing.
    func session(id: SessionID, blob: [UInt8]?, asOf: Instant) -> Session? {
        guard let identity = Self.identity(self.bytes("a")?[...]), let created = self.instant("c"),
            let base = self.instant("b"),
            let timeout = self.number("t"), let warning = self.number("w"), let max = self.number("m"),
            let head = self.number("q"), let epoch = self.text("e")
        else { return nil }
        let stored = SessionBlob(blob)
        var ending: Session.Ending?
        if let reason = self.text("s").flatMap(EndReason.init(rawValue:)), let at = self.instant("f") {
            ending = Session.Ending(reason: reason, at: at)
        }
        return Session(
            id: id, agentID: identity.agent, userID: identity.user, createdAt: created, base: base,
            policy: TimeoutPolicy(
                timeout: timeout, autoRenew: self.text("r") == "1", maxDuration: max, warning: warning),
            leaseEnd: self.instant("y"), interactionDeadline: self.instant("z"),
            renewalCount: Int(self.number("n") ?? 0), lastActivity: self.instant("l") ?? created,
            messageCount: Int(self.number("o") ?? 0), head: Int(head), epoch: epoch, ending: ending,
            metadata: stored.metadata, conversationKey: stored.conversationKey, ifBusy: stored.ifBusy,
            aliveWhileWatched: stored.aliveWhileWatched,
            timeoutSources: self.text("ts").flatMap { TimeoutSources(letters: $0) }, asOf: asOf)
    }
}

/// The long immutable part of a session, as JSON, which few have.
struct SessionBlob {
    private(set) var metadata = JSONObject()
    private(set) var conversationKey: String?
    private(set) var ifBusy: IfBusy?
    private(set) var aliveWhileWatched: Bool?

    init(_ bytes: [UInt8]?) {
        guard let stored = bytes.flatMap({ try? JSON.parse($0) }) else { return }
        self.metadata = stored["metadata"]?.object ?? JSONObject()
        self.conversationKey = stored["key"]?.string
        self.ifBusy = stored["ifBusy"]?.string.flatMap(IfBusy.init(rawValue:))
        self.aliveWhileWatched = stored["aliveWhileWatched"]?.bool
    }
}

/// What is left of a session whose life is over.
struct Tombstone {
    let reason: EndReason
    let at: Instant
    let head: Int
    /// The cuts of its log, `epoch:firstSeq` each; empty where an older version ended it.
    let cuts: [String]
    /// The archive that holds it, once one does.
    let archivist: String?
    /// The token with which that archive took it, `major.random`.
    let token: String?
    /// The first event that archive has: 1, unless what was before was lost with another archive.
    let first: Int
    /// Whether its transcript was erased on purpose.
    let isPurged: Bool
    /// The archivist with which its transcript was lost.
    let lost: String?

    init?(_ fields: SessionFields) {
        guard let reason = fields.text("reason").flatMap(EndReason.init(rawValue:)), let at = fields.instant("at")
        else {
            return nil
        }
        self.reason = reason
        self.at = at
        self.head = Int(fields.number("head") ?? 0)
        self.cuts = (fields.text("cuts") ?? "").split(separator: " ").map(String.init)
        self.archivist = fields.text("archivist")
        self.token = fields.text("token")
        self.first = Int(fields.number("first") ?? 1)
        self.lost = fields.text("lost")
        self.isPurged = fields.text("purged") != nil
    }
}
