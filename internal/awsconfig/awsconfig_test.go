package awsconfig_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/awsconfig"
)

// TestRotatedKeys: the keys of a file are read again, and what is not readable for a moment
// changes nothing.
func TestRotatedKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	for name, value := range map[string]string{
		"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_CONFIG_FILE": "/nonexistent", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := func(id string) string {
		return "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = secret\n"
	}
	synctest.Test(t, func(t *testing.T) {
		write(keys("first"))
		cfg, err := awsconfig.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := func(id string) {
			t.Helper()
			if got, err := cfg.Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != id {
				t.Errorf("key %q, want %q: %v", got.AccessKeyID, id, err)
			}
		}
		want("first")
		write(keys("second"))
		want("first") // it is not read for each request
		time.Sleep(2 * time.Minute)
		want("second")
		for _, broken := range []string{"[default", ""} {
			write(broken)
			time.Sleep(2 * time.Minute)
			want("second")
		}
		write(keys("third"))
		time.Sleep(2 * time.Minute)
		want("third")
	})
}
