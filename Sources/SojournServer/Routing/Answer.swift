import SojournCore
import SojournHTTP

/// What a route answers.
enum Answer {
    /// A body of JSON.
    case json(Int, JSON)
    /// A body of JSON that is there as bytes.
    case bytes(Int, [UInt8])
    /// The route has answered, or will, by itself.
    case taken

    static let jsonHeaders: HTTPHeaders = [("Content-Type", "application/json; charset=utf-8")]
}

/// The body of an error, in the one documented shape.
enum ErrorBody {
    static func json(_ error: StoreError, at instant: Instant) -> JSON {
        var body: JSONObject = [
            "code": .string(error.code.name), "message": .string(error.message),
            "timestamp": .string(instant.iso8601),
        ]
        if let details = error.details { body["details"] = .object(details) }
        return ["error": .object(body)]
    }

    /// The body of what the HTTP layer refuses by itself.
    static func refusal(status: Int, message: String, at instant: Instant) -> String {
        let code: StoreError.Code =
            status < 500 ? .validation : status == 503 ? .storeUnavailable : .internalError
        return Self.json(StoreError(code, message), at: instant).text
    }

    static func headers(for error: StoreError) -> HTTPHeaders {
        Answer.jsonHeaders + (error.retryAfter.map { [("Retry-After", String($0))] } ?? [])
    }
}
