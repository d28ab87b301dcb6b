/// The request methods that reach a handler (RFC 9110 section 9, PATCH of RFC 5789).
///
/// Any other method is answered 501 before a handler sees it. All of these are let through, so that a router
/// can answer 405 with `Allow`.
public enum HTTPMethod: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
    case trace = "TRACE"
    case connect = "CONNECT"

    /// Whether the parser reads a body for it. With any other method a body would be taken for the next request.
    var readsBody: Bool { self != .head && self != .trace }
}
