import SojournArchive

@testable import SojournHTTP
@testable import SojournServer

/// Request targets, and the queries of searches in them: anything is taken apart, and nothing separates but what should.
struct QueryTarget: FuzzTarget {
    func check(_ input: [UInt8]) {
        let text = String(decoding: input, as: UTF8.self)
        let target = RequestTarget(text)
        precondition(!target.rawPath.utf8.contains(UInt8(ascii: "?")), "a query in the path")
        precondition(!target.rawPath.utf8.contains(UInt8(ascii: "#")), "a fragment in the path")
        let slashes = target.rawPath.utf8.count { $0 == UInt8(ascii: "/") }
        precondition(target.segments.count <= slashes + 1, "an escaped slash separates")
        _ = target.path
        for item in target.queryItems {
            _ = Input.limit(item.value, default: 50, maximum: 100)
            _ = try? Input.client(item.value)
            Self.search(item.value)
        }
        Self.search(text)
    }

    private static func search(_ text: String) {
        do {
            _ = try SearchQuery(text)
        } catch {
            precondition((0...text.utf16.count).contains(error.position), "a fault outside of the query")
        }
    }
}
