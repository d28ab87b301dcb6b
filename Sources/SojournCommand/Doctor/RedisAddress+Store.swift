import SojournStore

extension RedisAddress {
    /// A store there, with the login; TLS is set apart.
    func storeConfiguration(nodeName: String) -> StoreConfiguration {
        var configuration = StoreConfiguration(endpoint: self.endpoint, nodeName: nodeName)
        configuration.user = self.user
        configuration.password = self.password
        configuration.database = self.database
        return configuration
    }
}
