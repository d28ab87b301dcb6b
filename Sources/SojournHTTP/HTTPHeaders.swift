/// Header fields in the order in which they are sent; names may repeat.
public typealias HTTPHeaders = [(name: String, value: String)]

/// Whether a field could end its line early and so smuggle another one into the answer.
func breaksLine(_ field: (name: String, value: String)) -> Bool {
    let breaking: (UInt8) -> Bool = { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") || $0 == 0 }
    return field.name.isEmpty || field.name.utf8.contains(where: breaking) || field.value.utf8.contains(where: breaking)
}

/// The reason phrase of a status (RFC 9110 section 15 and RFC 6585); clients ignore it, people read it.
func reasonPhrase(_ status: Int) -> String {
    switch status {
    case 101: "Switching Protocols"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 409: "Conflict"
    case 410: "Gone"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 422: "Unprocessable Content"
    case 426: "Upgrade Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: status < 400 ? "OK" : "Error"
    }
}
