import CEvent
import COpenSSL
import Glibc

/// Why a TLS context cannot be made: a sentence that names the file.
public struct TLSError: Error, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String
}

/// Certificates, keys and rules of TLS connections, one side's. It never changes; a reload makes another one.
///
/// TLS 1.2 and 1.3 (RFC 5246, RFC 8446), with OpenSSL's own choice of ciphers.
@safe public final class TLSContext: @unchecked Sendable {
    // Why unchecked: the pointer is set once, in init; OpenSSL counts its references atomically and lets threads make
    // connections from one context at once (SSL_CTX_new(3): as long as it is not modified).
    private let context: OpaquePointer
    private let checksName: Bool

    /// The side of a server, with its certificate chain and private key, both PEM files. It speaks HTTP/1.1 (ALPN,
    /// RFC 7301).
    public init(certificate: String, key: String) throws(TLSError) {
        unsafe self.context = try Self.make(TLS_server_method())
        self.checksName = false
        try self.load(certificate: certificate, key: key)
        unsafe SSL_CTX_set_alpn_select_cb(
            self.context,
            { _, chosen, chosenLength, offered, offeredLength, _ in
                unsafe sojourn_ssl_choose_http11(chosen, chosenLength, offered, offeredLength)
            }, nil)
    }

    /// The side of a client. The server's certificate must be signed by one of the authority file, or without it by one
    /// that the system trusts, and must bear the name that is connected to.
    ///
    /// - Parameters:
    ///   - certificate: the client's own certificate, for servers that ask for one; with its `key`.
    ///   - checksName: false when the authority file holds exactly the certificates that are meant.
    public init(
        authority: String? = nil, certificate: String? = nil, key: String? = nil, checksName: Bool = true
    ) throws(TLSError) {
        unsafe self.context = try Self.make(TLS_client_method())
        self.checksName = checksName
        unsafe SSL_CTX_set_verify(self.context, SSL_VERIFY_PEER, nil)
        if let authority {
            try Self.requireReadable(authority, "the file of authorities")
            guard unsafe SSL_CTX_load_verify_locations(self.context, authority, nil) == 1 else {
                throw Self.error("the certificates of \(authority) cannot be used")
            }
            if !checksName { unsafe sojourn_ssl_trust_exactly(self.context) }
        } else {
            unsafe SSL_CTX_set_default_verify_paths(self.context)
        }
        if let certificate { try self.load(certificate: certificate, key: key ?? certificate) }
    }

    deinit { unsafe SSL_CTX_free(self.context) }

    private static func make(_ method: OpaquePointer?) throws(TLSError) -> OpaquePointer {
        guard let context = unsafe SSL_CTX_new(method), unsafe sojourn_ssl_prepare(context) == 1 else {
            throw Self.error("OpenSSL has no TLS")
        }
        return unsafe context
    }

    private func load(certificate: String, key: String) throws(TLSError) {
        try Self.requireReadable(certificate, "the certificate")
        try Self.requireReadable(key, "the private key")
        guard unsafe SSL_CTX_use_certificate_chain_file(self.context, certificate) == 1 else {
            throw Self.error("the certificate \(certificate) cannot be used")
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(self.context, key, SSL_FILETYPE_PEM) == 1 else {
            throw Self.error("the private key \(key) cannot be used")
        }
        guard unsafe SSL_CTX_check_private_key(self.context) == 1 else {
            throw Self.error("the private key \(key) is not that of the certificate \(certificate)")
        }
    }

    /// Says why a file cannot be read, which OpenSSL calls "system lib".
    private static func requireReadable(_ path: String, _ what: String) throws(TLSError) {
        guard unsafe access(path, R_OK) != 0 else { return }
        throw TLSError(description: "\(what) \(path) cannot be read: \(unsafe String(cString: strerror(errno)))")
    }

    private static func error(_ sentence: String) -> TLSError {
        defer { ERR_clear_error() }
        guard let words = unsafe ERR_reason_error_string(ERR_peek_last_error()) else {
            return TLSError(description: sentence)
        }
        return TLSError(description: "\(sentence): \(unsafe String(cString: words))")
    }

    // MARK: Connections

    /// The bufferevent of one connection, which owns its descriptor.
    ///
    /// - Parameter serverName: whom a client connects to: what the certificate must bear, and SNI (RFC 6066 section 3).
    @unsafe public func makeBufferevent(
        loop: EventLoop, descriptor: CInt, serverName: String? = nil, isServer: Bool
    ) -> OpaquePointer? {
        guard let session = unsafe SSL_new(self.context) else { return nil }
        if let serverName, unsafe !self.expect(serverName, of: session) {
            unsafe SSL_free(session)
            return nil
        }
        guard
            let bufferevent = unsafe bufferevent_openssl_socket_new(
                loop.base, descriptor, session, isServer ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
                Int32(BEV_OPT_CLOSE_ON_FREE.rawValue))
        else {
            unsafe SSL_free(session)
            return nil
        }
        // A peer that just closes its socket has reached its end; the protocols above know their own.
        unsafe bufferevent_openssl_set_allow_dirty_shutdown(bufferevent, 1)
        return unsafe bufferevent
    }

    private func expect(_ name: String, of session: OpaquePointer) -> Bool {
        var address = in6_addr()
        let isAddress = unsafe inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1
        guard self.checksName else { return true }
        if isAddress { return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) == 1 }
        return unsafe SSL_set1_host(session, name) == 1 && sojourn_ssl_name_server(session, name) == 1
    }

    /// Tells the peer that nothing more comes, if that can be told at once.
    @unsafe public static func sayGoodbye(_ bufferevent: OpaquePointer) {
        guard let session = unsafe bufferevent_openssl_get_ssl(bufferevent), unsafe SSL_is_init_finished(session) == 1
        else { return }
        _ = unsafe SSL_shutdown(session)
        ERR_clear_error()
    }

    /// What TLS says of a connection that failed; nil when it was not TLS.
    @unsafe static func failure(of bufferevent: OpaquePointer) -> String? {
        guard let session = unsafe bufferevent_openssl_get_ssl(bufferevent) else { return nil }
        let verdict = unsafe SSL_get_verify_result(session)
        if verdict != Int(X509_V_OK), let words = unsafe X509_verify_cert_error_string(verdict) {
            return unsafe String(cString: words)
        }
        let code = unsafe bufferevent_get_openssl_error(bufferevent)
        guard code != 0, let words = unsafe ERR_reason_error_string(UInt(code)) else { return nil }
        return unsafe String(cString: words)
    }
}
