import Testing

@testable import SojournHTTP

@Suite struct RequestTargetTests {
    @Test(arguments: [
        ("/", "/", "/"), ("/a/b?x=1", "/a/b", "/a/b"), ("/a%20b+c", "/a%20b+c", "/a b+c"),
        ("/%zz%4", "/%zz%4", "/%zz%4"),
        ("http://h:1/p?q", "/p", "/p"), ("http://h", "/", "/"), ("http://h?q=1", "/", "/"), ("*", "*", "*"),
        ("//x/y", "//x/y", "//x/y"), ("/a%2Fb", "/a%2Fb", "/a/b"), ("/%ff", "/%ff", "/\u{fffd}"),
        ("/a?b=http://c/d", "/a", "/a"), ("/a#f?x", "/a", "/a"), ("/%E2%82%AC", "/%E2%82%AC", "/€"),
    ])
    func `a path is cut out and decoded`(target: String, raw: String, decoded: String) {
        #expect(RequestTarget(target).rawPath == raw)
        #expect(RequestTarget(target).path == decoded)
    }

    @Test(arguments: [
        ("/", []), ("/a/b", ["a", "b"]), ("/a/b/", ["a", "b"]), ("//a", ["", "a"]), ("/a//b", ["a", "", "b"]),
        ("/a%2Fb/%61?x/y", ["a/b", "a"]), ("*", ["*"]), ("http://h/a/b", ["a", "b"]),
    ])
    func `segments are decoded one by one`(target: String, segments: [String]) {
        #expect(RequestTarget(target).segments == segments)
    }

    @Test func `query items keep their order, and garbage is tolerated`() {
        let items = RequestTarget("/?b=1&a=2&b=3&&flag&=x&c=a+b%20c%2&d=x=y&e%5B%5D=%").queryItems
        #expect(items.map(\.name) == ["b", "a", "b", "flag", "", "c", "d", "e[]"])
        #expect(items.map(\.value) == ["1", "2", "3", "", "x", "a b c%2", "x=y", "%"])
        #expect(RequestTarget("/a").queryItems.isEmpty)
        #expect(RequestTarget("/a?").queryItems.isEmpty)
    }
}
