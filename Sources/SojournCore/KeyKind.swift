/// What a key of a namespace in Redis is, by its name alone, and so who owns it: the rules behind law 7, that every key has
/// a time to live or a live owner.
public enum KeyKind: Sendable, Hashable {
    /// One for the whole namespace, which lives as long as that.
    case whole
    /// One of a partition, which lives as long as the namespace.
    case partition
    /// A set of sessions for which there is something to do; each of them exists.
    case timers(prefix: String)
    /// An index; each of its sessions lives.
    case index(prefix: String)
    /// A conversation key; its value is a session that lives.
    case conversation(prefix: String)
    /// Something of a session, which owns it. The session itself is the key that ends in `s:<id>`.
    case ofSession(prefix: String, id: String)
    /// Anything else: it must have a time to live.
    case passing

    private static let wholes: Set<Substring> = [
        "meta", "nodes", "archivists", "archiving", "archives", "agents", "workers",
    ]

    /// The kind of a key; nil when it is not one of this namespace.
    public init?(_ key: String, namespace: String) {
        guard key.hasPrefix(namespace + ":") else { return nil }
        let rest = key.dropFirst(namespace.count + 1)
        if Self.wholes.contains(rest) {
            self = .whole
            return
        }
        guard rest.first == "{", let brace = rest.firstIndex(of: "}"), rest[brace...].hasPrefix("}:") else {
            self = .passing
            return
        }
        let start = rest.index(brace, offsetBy: 2)
        let prefix = String(key[..<start])
        let parts = rest[start...].split(separator: ":")
        switch parts.first {
        case "clk", "wk", "purges": self = .partition
        case "due", "arc", "wb": self = .timers(prefix: prefix)
        case "all", "a", "u": self = .index(prefix: prefix)
        case "k": self = .conversation(prefix: prefix)
        default:
            guard parts.count > 1, SessionID(parts[1]) != nil else {
                self = .passing
                return
            }
            self = .ofSession(prefix: prefix, id: String(parts[1]))
        }
    }
}
