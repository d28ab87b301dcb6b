import CSojournSearch

/// What somebody searches for, in a form that FTS5 takes.
///
///     words              all of them, anywhere in the message
///     "several words"    in this order, side by side
///     begin*             words that begin so (two letters at least)
///     a OR b, a AND b, a NOT b, ( )     in capitals; NOT binds most, OR least
///
/// Upper and lower case are the same, and so are letters with and without accents. What is neither a letter nor a digit
/// separates words.
public struct SearchQuery: Sendable, Hashable {
    /// The longest text, in UTF-16 units.
    public static let maximumLength = 1_000
    /// The most words, phrases counted as one.
    public static let maximumTerms = 64

    /// The text it was made of.
    public let text: String
    /// The expression for FTS5.
    let expression: String

    /// Reads what somebody typed.
    ///
    /// - Throws: ``SearchSyntaxError`` with the place of what is wrong.
    public init(_ text: String) throws(SearchSyntaxError) {
        guard text.utf16.count <= Self.maximumLength else {
            throw SearchSyntaxError("a search has at most \(Self.maximumLength) characters", at: Self.maximumLength)
        }
        var parser = SearchParser(try SearchLexer.tokens(of: text), end: text.utf16.count)
        self.expression = try parser.whole()
        self.text = text
    }
}

/// Why a search is refused.
public struct SearchSyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, as a sentence without its full stop.
    public let message: String
    /// Where, counted in UTF-16 units from 0.
    public let position: Int

    init(_ message: String, at position: Int) {
        (self.message, self.position) = (message, position)
    }

    /// The message and the place.
    public var description: String { "\(self.message) (at character \(self.position + 1))" }
}

/// A part of a search and its place.
struct SearchToken {
    enum Kind: Equatable {
        case term(String, isPrefix: Bool)
        case and, or, not, open, close
    }

    let kind: Kind
    let position: Int
}

/// Cuts a search into its parts.
private enum SearchLexer {
    static func tokens(of text: String) throws(SearchSyntaxError) -> [SearchToken] {
        let scalars = Array(text.unicodeScalars)
        var tokens: [SearchToken] = []
        var (index, position) = (0, 0)
        func width(_ range: Range<Int>) -> Int { scalars[range].reduce(0) { $0 + UTF16.width($1) } }
        while index < scalars.count {
            let (start, place) = (index, position)
            let isQuoted = scalars[index] == "\""
            switch scalars[index] {
            case "(":
                tokens.append(SearchToken(kind: .open, position: place))
                index += 1
            case ")":
                tokens.append(SearchToken(kind: .close, position: place))
                index += 1
            case let scalar where scalar.properties.isWhitespace || scalar.value == 0:
                index += 1
            default:
                if isQuoted {
                    guard let end = scalars[(index + 1)...].firstIndex(of: "\"") else {
                        throw SearchSyntaxError("the quotation mark is never closed", at: place)
                    }
                    index = end + 1
                }
                while !isQuoted, index < scalars.count, !Self.ends(scalars[index]) { index += 1 }
                var body = isQuoted ? scalars[(start + 1)..<(index - 1)] : scalars[start..<index]
                var isPrefix = false
                while isQuoted, index < scalars.count, scalars[index] == "*" {
                    isPrefix = true
                    index += 1
                }
                while !isQuoted, body.last == "*" {
                    isPrefix = true
                    body.removeLast()
                }
                if let token = try self.term(Array(body), isPrefix, isQuoted: isQuoted, at: place) {
                    tokens.append(token)
                }
            }
            position += width(start..<index)
        }
        return tokens
    }

    /// Whether a word cannot go on here.
    private static func ends(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || scalar.value == 0 || scalar == "(" || scalar == ")" || scalar == "\""
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber, .privateUse:
            true
        default: sojourn_search_is_dense(scalar.value) != 0
        }
    }

    /// A term, or an operator; nil for what has no word in it.
    private static func term(
        _ scalars: [Unicode.Scalar], _ isPrefix: Bool, isQuoted: Bool, at position: Int
    ) throws(SearchSyntaxError) -> SearchToken? {
        let text = String(String.UnicodeScalarView(scalars))
        if !isQuoted, !isPrefix, let kind: SearchToken.Kind = ["AND": .and, "OR": .or, "NOT": .not][text] {
            return SearchToken(kind: kind, position: position)
        }
        guard let last = scalars.lastIndex(where: Self.isWord) else { return nil }
        let isDense = sojourn_search_is_dense(scalars[last].value) != 0
        let stem = scalars[...last].reversed().prefix {
            Self.isWord($0) && (sojourn_search_is_dense($0.value) != 0) == isDense
        }.count
        // One character of a language without spaces is found in all the pairs that begin with it.
        let isSingle = isDense && stem == 1
        if isPrefix, !isDense, stem < 2 {
            throw SearchSyntaxError("a word that ends in * needs at least two letters before it", at: position)
        }
        // What FTS5 takes for the end of its text would end it here.
        return SearchToken(
            kind: .term(text.split(separator: "\0").joined(separator: " "), isPrefix: isPrefix || isSingle),
            position: position)
    }
}

/// Makes an expression of the parts of a search.
private struct SearchParser {
    private static let maximumDepth = 32

    private let tokens: [SearchToken]
    private let end: Int
    private var next = 0
    private var depth = 0
    private var terms = 0

    init(_ tokens: [SearchToken], end: Int) {
        (self.tokens, self.end) = (tokens, end)
    }

    private var current: SearchToken? { self.next < self.tokens.count ? self.tokens[self.next] : nil }

    mutating func whole() throws(SearchSyntaxError) -> String {
        guard !self.tokens.isEmpty else { throw SearchSyntaxError("there is no word to search for", at: 0) }
        let expression = try self.alternatives(before: nil)
        if let rest = self.current { throw SearchSyntaxError("this parenthesis was never opened", at: rest.position) }
        return expression
    }

    private mutating func alternatives(before: SearchToken?) throws(SearchSyntaxError) -> String {
        var parts = [try self.conjunction(before: before)]
        while let token = self.current, token.kind == .or {
            self.next += 1
            parts.append(try self.conjunction(before: token))
        }
        return parts.count == 1 ? parts[0] : "(" + parts.joined(separator: " OR ") + ")"
    }

    private mutating func conjunction(before: SearchToken?) throws(SearchSyntaxError) -> String {
        var parts = [try self.difference(before: before)]
        while let token = self.current, token.kind != .or, token.kind != .close {
            if token.kind == .and { self.next += 1 }
            parts.append(try self.difference(before: token.kind == .and ? token : nil))
        }
        return parts.count == 1 ? parts[0] : "(" + parts.joined(separator: " AND ") + ")"
    }

    private mutating func difference(before: SearchToken?) throws(SearchSyntaxError) -> String {
        var expression = try self.primary(before: before)
        while let token = self.current, token.kind == .not {
            self.next += 1
            expression = "(\(expression) NOT \(try self.primary(before: token)))"
        }
        return expression
    }

    private mutating func primary(before: SearchToken?) throws(SearchSyntaxError) -> String {
        guard let token = self.current else { throw self.missing(after: before, at: self.end) }
        switch token.kind {
        case .term(let text, let isPrefix):
            self.next += 1
            self.terms += 1
            guard self.terms <= SearchQuery.maximumTerms else {
                throw SearchSyntaxError("a search has at most \(SearchQuery.maximumTerms) words", at: token.position)
            }
            return "\"\(text)\"" + (isPrefix ? " *" : "")
        case .open:
            self.next += 1
            self.depth += 1
            defer { self.depth -= 1 }
            guard self.depth <= Self.maximumDepth else {
                throw SearchSyntaxError("parentheses are nested too deeply", at: token.position)
            }
            let expression = try self.alternatives(before: token)
            guard self.current?.kind == .close else {
                throw SearchSyntaxError("this parenthesis is never closed", at: token.position)
            }
            self.next += 1
            return expression
        case .and, .or, .not:
            if let before { throw self.missing(after: before, at: token.position) }
            throw SearchSyntaxError("\(Self.name(token)) needs something before it", at: token.position)
        case .close:
            guard let before else {
                throw SearchSyntaxError("this parenthesis was never opened", at: token.position)
            }
            throw self.missing(after: before, at: token.position)
        }
    }

    private func missing(after token: SearchToken?, at position: Int) -> SearchSyntaxError {
        guard let token else { return SearchSyntaxError("there is no word to search for", at: position) }
        let what =
            token.kind == .open ? "this parenthesis has nothing in it" : "\(Self.name(token)) needs something after it"
        return SearchSyntaxError(what, at: token.position)
    }

    private static func name(_ token: SearchToken) -> String {
        switch token.kind {
        case .and: "AND"
        case .or: "OR"
        default: "NOT"
        }
    }
}
