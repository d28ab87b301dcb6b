import SojournCore
import SojournLoop

/// Which master owns which slot, as a member of the cluster has told.
struct SlotMap: Equatable {
    /// The masters that own slots.
    private(set) var masters: [Endpoint] = []
    /// All members that were named, masters and replicas.
    private(set) var members: [Endpoint] = []
    /// For each slot one more than the place of its master, or 0.
    private var owners = [UInt16](repeating: 0, count: PartitionTags.slots)

    /// Reads the answer of `CLUSTER SLOTS`; nil when it is none. A member that does not know its own host leaves it out:
    /// then it is the one that was asked.
    init?(_ reply: RESPValue, askedOf asked: Endpoint) {
        guard let ranges = reply.array else { return nil }
        for range in ranges {
            guard let parts = range.array, parts.count >= 3, let first = parts[0].int, let last = parts[1].int,
                first >= 0, last < PartitionTags.slots, first <= last
            else { return nil }
            for (place, node) in parts[2...].enumerated() {
                guard let words = node.array, words.count >= 2, let port = words[1].int else { return nil }
                let endpoint = Self.endpoint(host: words[0].string ?? "", port: port, askedOf: asked)
                if !self.members.contains(endpoint) { self.members.append(endpoint) }
                if place == 0 { self.set(first...last, to: endpoint) }
            }
        }
    }

    /// Slots without a master.
    private var ownerless = PartitionTags.slots

    /// Whether every slot has a master.
    var isComplete: Bool { self.ownerless == 0 }

    func owner(of slot: Int) -> Endpoint? { self.place(of: slot).map { self.masters[$0] } }

    /// The place of a slot's master among the masters.
    func place(of slot: Int) -> Int? {
        let owner = Int(self.owners[slot])
        return owner == 0 ? nil : owner - 1
    }

    /// Slots have gone to another master.
    mutating func set(_ slots: ClosedRange<Int>, to endpoint: Endpoint) {
        let known = self.masters.firstIndex(of: endpoint)
        let place = known ?? self.masters.count
        if known == nil { self.masters.append(endpoint) }
        for slot in slots {
            if self.owners[slot] == 0 { self.ownerless -= 1 }
            self.owners[slot] = UInt16(place + 1)
        }
    }

    /// Reads `MOVED slot host:port` or `ASK slot host:port`.
    static func redirection(_ message: String, askedOf asked: Endpoint) -> (slot: Int, endpoint: Endpoint)? {
        let words = message.split(separator: " ")
        guard words.count >= 3, let slot = Int(words[1]), (0..<PartitionTags.slots).contains(slot),
            let colon = words[2].lastIndex(of: ":"), let port = Int(words[2][words[2].index(after: colon)...])
        else { return nil }
        return (slot, Self.endpoint(host: String(words[2][..<colon]), port: port, askedOf: asked))
    }

    private static func endpoint(host: String, port: Int, askedOf asked: Endpoint) -> Endpoint {
        if !host.isEmpty, host != "?" { return .tcp(host: host, port: port) }
        guard case .tcp(let own, _) = asked else { return asked }
        return .tcp(host: own, port: port)
    }
}
