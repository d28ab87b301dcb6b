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

    /// Whether a body is read for it. The body of any other method has no meaning here; it is skipped.
    var readsBody: Bool { self == .post || self == .put || self == .patch }
}
