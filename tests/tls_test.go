package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jpmovies/internal/database/databasetest"
)

// authority is a private CA.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	file        string
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{key: key, certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a.file = writePEM(t, name+".pem", "CERTIFICATE", der)
	return a
}

// issue returns a certificate for 127.0.0.1 and its key.
func (a authority) issue(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, a.certificate, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "server.pem", "CERTIFICATE", der), writePEM(t, "server.key", "PRIVATE KEY", encoded)
}

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDatabaseTLS uses a server with a certificate of a private CA and a user who must use
// TLS. Only that CA, or skip-verify, lets the program connect. The program reads a changed
// password again.
func TestDatabaseTLS(t *testing.T) {
	if _, err := exec.LookPath("mariadbd"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no mariadbd to talk TLS with")
	}
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	certificate, key := ours.issue(t)
	private := startPrivate(t, "mariadb", "--ssl-cert="+certificate, "--ssl-key="+key)
	o := privateDatabase(t, "mariadb", private)
	s := newSite(t, o, newFolder(t))
	admin := databasetest.Raw(t, o)
	grant := func(password string) {
		for _, statement := range []string{
			"CREATE OR REPLACE USER secure@'127.0.0.1' IDENTIFIED BY '" + password + "' REQUIRE SSL",
			"GRANT ALL ON *.* TO secure@'127.0.0.1'",
		} {
			if _, err := admin.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	grant("first")
	passwordFile := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	plain := slices.DeleteFunc(slices.Clone(s.env), func(v string) bool { return strings.HasPrefix(v, "MOVIES_DB_PASS=") })
	run := func(tls string, args ...string) (int, string) {
		s.env = append(slices.Clone(plain), "MOVIES_DB_USER=secure", "MOVIES_DB_PASS_FILE="+passwordFile, "MOVIES_DB_TLS="+tls)
		p := s.start(t, args...)
		return p.exit(t), p.log()
	}
	for _, test := range []struct {
		tls  string
		code int
		says string
	}{
		{ours.file, 0, ""}, {"skip-verify", 0, ""}, {"off", 1, "Access denied"},
		{"on", 1, "certificate signed by unknown authority"}, {other.file, 1, "certificate signed by unknown authority"},
	} {
		if code, log := run(test.tls, "rejections", "list"); code != test.code || !strings.Contains(log, test.says) {
			t.Errorf("MOVIES_DB_TLS=%s: exit %d, want %d with %q: %s", filepath.Base(test.tls), code, test.code, test.says, log)
		}
	}

	// A running worker reads the new password when the old one fails.
	s.env = append(slices.Clone(plain), "MOVIES_DB_USER=secure", "MOVIES_DB_PASS_FILE="+passwordFile, "MOVIES_DB_TLS="+ours.file)
	w := s.start(t, "worker")
	ready := w.adminOf(t, "worker starts") + "/readyz"
	waitFor(t, "the worker to be ready", func() bool { return status(ready) == 200 })
	grant("second")
	write("second")
	private.run(t, "stop", private.dir) // closes all connections
	private.run(t, "start", private.dir, private.port, "--ssl-cert="+certificate, "--ssl-key="+key)
	s.put(t, "a.json", []byte(`{"title": "A", "year": 2000}`))
	waitFor(t, "the worker to go on", func() bool { return len(s.keys(t)) == 0 })
}
