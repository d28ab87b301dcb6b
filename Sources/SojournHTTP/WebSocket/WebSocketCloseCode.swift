/// Why a WebSocket was closed (RFC 6455 section 7.4).
public struct WebSocketCloseCode: Sendable, Hashable, ExpressibleByIntegerLiteral {
    /// The number on the wire.
    public let number: UInt16

    /// A code; those of an application are from 4000 to 4999.
    public init(_ number: UInt16) { self.number = number }

    /// A literal.
    public init(integerLiteral value: UInt16) { self.number = value }

    /// Nothing is left to say.
    public static let normal: WebSocketCloseCode = 1000
    /// This side goes away.
    public static let goingAway: WebSocketCloseCode = 1001
    /// The peer broke the protocol.
    public static let protocolError: WebSocketCloseCode = 1002
    /// The peer sent a kind of message that is not taken here.
    public static let unsupported: WebSocketCloseCode = 1003
    /// The peer gave no code; never on the wire.
    public static let none: WebSocketCloseCode = 1005
    /// The connection ended without a close; never on the wire.
    public static let abnormal: WebSocketCloseCode = 1006
    /// Something the peer did is not allowed.
    public static let policy: WebSocketCloseCode = 1008
    /// A message was larger than the limit.
    public static let tooBig: WebSocketCloseCode = 1009
    /// The peer did not answer a ping. Of this server.
    public static let noPong: WebSocketCloseCode = 4408
    /// The peer took no bytes. Of this server.
    public static let tooSlow: WebSocketCloseCode = 4413
}
