/// One argument of a command.
public enum RedisArgument: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByIntegerLiteral
{
    /// Text, sent as UTF-8.
    case string(String)
    /// Any bytes.
    case bytes([UInt8])
    /// A number, sent as decimal digits.
    case integer(Int)
    /// The first 16 digits of the server's `master_replid`, as it is known when the command leaves: a command that
    /// waited for a server to come back must not carry the id of the one that is gone.
    case replicationID

    /// Text.
    public init(stringLiteral value: String) { self = .string(value) }

    /// A number.
    public init(integerLiteral value: Int) { self = .integer(value) }
}

/// A command and its arguments, such as `["GET", .string(key)]`.
public struct RedisCommand: Sendable, Hashable, ExpressibleByArrayLiteral {
    /// The name of the command, then its arguments.
    public let arguments: [RedisArgument]

    /// A command of these words.
    public init(_ arguments: [RedisArgument]) { self.arguments = arguments }

    /// A command of these words.
    public init(arrayLiteral elements: RedisArgument...) { self.arguments = elements }
}

/// Whether a command may be repeated.
public enum RedisCommandKind: Sendable, Hashable {
    /// Changes nothing: it is sent again when the connection breaks, and may go to a server that is no master.
    case read
    /// May change something: once sent and not answered, nobody knows whether it ran.
    case write
}
