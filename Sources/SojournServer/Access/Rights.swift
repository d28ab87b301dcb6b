/// What a caller may do. A route asks for one of them.
struct Rights: OptionSet, Sendable, Hashable {
    let rawValue: UInt8

    /// Read a session: its state, its log, its live events.
    static let read = Rights(rawValue: 1)
    /// Change one as its user does: messages, renewals, timeouts, its end.
    static let write = Rights(rawValue: 2)
    /// Say that a client is there.
    static let heartbeat = Rights(rawValue: 4)
    /// Learn who is there.
    static let presence = Rights(rawValue: 8)
    /// Answer as an agent: turns, deltas.
    static let work = Rights(rawValue: 16)
    /// See and change what belongs to nobody in particular: the list, agents, the archive.
    static let admin = Rights(rawValue: 32)
    /// Give tokens to others.
    static let grant = Rights(rawValue: 64)

    /// Everything.
    static let all: Rights = [.read, .write, .heartbeat, .presence, .work, .admin, .grant]
    /// What a session token may carry.
    static let grantable: [(name: String, right: Rights)] = [
        ("read", .read), ("write", .write), ("heartbeat", .heartbeat), ("presence", .presence),
    ]

    /// The names, for people.
    var names: String {
        (Self.grantable + [("work", .work), ("admin", .admin), ("grant", .grant)]).filter { self.contains($0.right) }
            .map(\.name)
            .joined(separator: ", ")
    }
}

/// What an API key is for.
public enum Role: String, Sendable, CaseIterable {
    /// Everything, also the list of all sessions, agents, the archive, and erasing.
    case admin
    /// A chat backend: every session, as its user and as its agent, and tokens for browsers.
    case backend
    /// A worker: it reads sessions and answers as an agent.
    case worker
    /// Whoever only looks.
    case read

    var rights: Rights {
        switch self {
        case .admin: .all
        case .backend: Rights.all.subtracting(.admin)
        case .worker: [.read, .presence, .work]
        case .read: [.read, .presence]
        }
    }
}
