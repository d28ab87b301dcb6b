import Foundation

/// What the README shows, for tests that run it.
public enum Readme {
    /// The first block that is marked with a word, with the end of its last line.
    public static func block(_ mark: String) throws -> String {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("README.md")
        let text = try String(contentsOf: path, encoding: .utf8)
        guard let start = text.range(of: "\n```\(mark)\n"),
            let end = text.range(of: "\n```\n", range: start.upperBound..<text.endIndex)
        else { throw NotInTime(description: "the README has no block marked \(mark)") }
        return String(text[start.upperBound..<end.lowerBound]) + "\n"
    }
}
