package database

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/go-sql-driver/mysql"
)

// registerCA registers a TLS configuration that trusts the certificates in a PEM file for
// a server name, and returns the configuration's name.
func registerCA(file, host string) (string, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("MOVIES_DB_TLS: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return "", fmt.Errorf("MOVIES_DB_TLS: no certificate in %s", file)
	}
	config := &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
	name := host + " " + file
	return name, mysql.RegisterTLSConfig(name, config)
}
