import SojournCore
import SojournHTTP

/// A request on its way through a route.
struct RouteContext {
    let exchange: HTTPExchange
    /// The parts of the path that the route's pattern leaves open, in order, lower case.
    let captures: [String]
    /// Who asks, and what it may do.
    var caller = Caller.anyone

    /// The last value of a query parameter; nil when it is absent.
    func query(_ name: String) -> String? { self.exchange.queryItems.last { $0.name == name }?.value }

    /// Every value of a list parameter: `types=a,b`, `types=a&types=b` and `types[]=a&types[]=b` are the same.
    func queryList(_ name: String) -> [String] {
        self.exchange.queryItems.filter { $0.name == name || $0.name == name + "[]" }
            .flatMap { $0.value.split(separator: ",").map(String.init) }
    }

    /// The body as JSON; nil when it is empty.
    ///
    /// - Throws: `VALIDATION_ERROR` when it is not JSON.
    func body() throws(StoreError) -> JSON? {
        let bytes = self.exchange.body
        guard !bytes.isEmpty else { return nil }
        do {
            return try JSON.parse(bytes)
        } catch {
            throw .validation("Invalid JSON in request body: \(error)", field: "body")
        }
    }
}

/// One route of the table.
final class Route {
    let method: HTTPMethod
    /// The path's parts; one that begins with ":" matches anything.
    let pattern: [String]
    /// The places of those, one bit each.
    private let openParts: Int
    /// What its caller must be allowed to do; more is for the handler to ask.
    let needs: Rights
    /// Whether it answers without a key, also below `/api`.
    let isOpen: Bool
    /// Whether a token may come as `?token=`.
    let takesQueryToken: Bool
    /// Whether the handler itself keeps a token to its sessions; else a token opens only routes of one session.
    let confinesItself: Bool
    let handler: (RouteContext) async throws(StoreError) -> Answer
    /// Whether it waits at the gate for streams before it is run; its handler leaves it, unless it throws.
    let opensStream: Bool
    /// Its place in the table.
    var number = 0

    /// - Parameter needs: to read for GET, and to write for all else, unless it is given.
    init(
        _ method: HTTPMethod, _ path: String, needs: Rights? = nil, isOpen: Bool = false,
        takesQueryToken: Bool = false, confinesItself: Bool = false, opensStream: Bool = false,
        _ handler: @escaping (RouteContext) async throws(StoreError) -> Answer
    ) {
        self.needs = needs ?? (method == .get ? .read : .write)
        self.isOpen = isOpen
        self.takesQueryToken = takesQueryToken
        self.confinesItself = confinesItself
        self.method = method
        self.opensStream = opensStream
        let pattern = path.split(separator: "/").map(String.init)
        self.pattern = pattern
        self.openParts = pattern.indices.reduce(0) { $0 | (pattern[$1].hasPrefix(":") ? 1 << $1 : 0) }
        self.handler = handler
    }

    /// Whether it is about one session, which its first capture names.
    var isOfSession: Bool { self.pattern.count > 3 && self.pattern[2] == "sessions" && self.pattern[3] == ":id" }

    /// What is counted together with it; a heartbeat is never a write.
    var kind: RateRules.Kind {
        self.needs.contains(.heartbeat) ? .heartbeat : self.method == .get ? .read : .write
    }

    /// What the open parts of the pattern match, or nil when the path is another one.
    func match(_ parts: [String]) -> [String]? {
        guard parts.count == self.pattern.count else { return nil }
        // From the end, where routes differ; a capture is not for free, so the words come first.
        for place in parts.indices.reversed() where !self.captures(place) && parts[place] != self.pattern[place] {
            return nil
        }
        return parts.indices.filter(self.captures).map { parts[$0].lowercased() }
    }

    private func captures(_ place: Int) -> Bool { self.openParts & 1 << place != 0 }
}

/// Finds the route of a request. Of the routes that match a path, those without open parts come first.
struct Router {
    /// By the number of their parts.
    private let routes: [Int: [Route]]

    init(_ routes: [Route]) {
        let sorted = routes.enumerated().sorted { left, right in
            let (a, b) = (
                left.element.pattern.count { $0.hasPrefix(":") }, right.element.pattern.count { $0.hasPrefix(":") }
            )
            return a != b ? a < b : left.offset < right.offset
        }.map(\.element)
        self.routes = Dictionary(grouping: sorted) { $0.pattern.count }
    }

    enum Match {
        case route(Route, captures: [String])
        /// The path exists, for other methods.
        case otherMethods([HTTPMethod])
        case nothing

        var route: Route? {
            if case .route(let route, _) = self { return route }
            return nil
        }
    }

    func match(_ method: HTTPMethod, _ parts: [String]) -> Match {
        var allowed: [HTTPMethod] = []
        var literal: Bool?
        for route in self.routes[parts.count] ?? [] {
            guard let captures = route.match(parts) else { continue }
            // `/heartbeat` is a route of its own, not a session of that name: its methods alone count.
            let isLiteral = captures.isEmpty
            if literal == true, !isLiteral { break }
            literal = literal ?? isLiteral
            let answersHead = method == .head && route.method == .get
            if route.method == method || answersHead { return .route(route, captures: captures) }
            allowed += route.method == .get ? [.get, .head] : [route.method]
        }
        return allowed.isEmpty ? .nothing : .otherMethods(allowed)
    }
}
