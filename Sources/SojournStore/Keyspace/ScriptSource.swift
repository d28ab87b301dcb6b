import CSojournLua

/// The Lua files of `lua/` as they lie in the binary, and the expansion of their includes.
enum ScriptSource {
    /// Every embedded file by its path below `lua/`, without the ending.
    static let files: [String: String] = {
        var count = 0
        guard let first = unsafe csojourn_lua_files(&count) else { return [:] }
        var files: [String: String] = [:]
        for place in 0..<count {
            let file = unsafe first[place]
            let bytes = unsafe UnsafeBufferPointer(start: file.bytes, count: file.length)
            unsafe files[String(cString: file.name)] = String(decoding: bytes, as: UTF8.self)
        }
        return files
    }()

    /// The script of that name with each `--- @include "x"` replaced by `include/x`, once.
    ///
    /// A missing file or a cycle stops the process: it is a fault of the build that every test would see.
    /// - Parameter testClock: takes `clock_test` in the place of `clock`.
    static func expanded(_ name: String, testClock: Bool) -> String {
        var done: Set<String> = []
        return Self.expand(name, testClock: testClock, done: &done, open: [])
    }

    private static func expand(_ name: String, testClock: Bool, done: inout Set<String>, open: [String]) -> String {
        guard let text = Self.files[name] else { preconditionFailure("lua/\(name).lua is not embedded in this binary") }
        precondition(!open.contains(name), "lua/\(name).lua includes itself: \(open.joined(separator: " -> "))")
        var lines: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            guard let included = Self.included(line) else {
                lines.append(String(line))
                continue
            }
            let file = "include/" + (included == "clock" && testClock ? "clock_test" : included)
            guard done.insert(file).inserted else { continue }
            lines.append(Self.expand(file, testClock: testClock, done: &done, open: open + [name]))
        }
        return lines.joined(separator: "\n")
    }

    private static func included(_ line: Substring) -> String? {
        let opening = #"--- @include ""#
        guard line.hasPrefix(opening), line.hasSuffix("\"") else { return nil }
        return String(line.dropFirst(opening.count).dropLast())
    }
}
