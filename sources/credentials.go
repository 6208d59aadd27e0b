package sources

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Types and keys of the Secrets that are understood.
const (
	// DockerConfigType is the type of a Secret that holds a docker config.json.
	DockerConfigType = "kubernetes.io/dockerconfigjson"
	// DockerConfigKey is its key.
	DockerConfigKey = ".dockerconfigjson"

	usernameKey = "username"
	passwordKey = "password"

	accessKeyKey = "accesskey"
	secretKeyKey = "secretkey"
)

// Credentials of one upstream; the zero value is anonymous. They compare with ==, so they can be part of a key. Neither
// formatting nor encoding them ever shows the password.
type Credentials struct {
	Username string
	Password string
	// Token is sent as a bearer token instead of user name and password.
	Token string
}

// IsZero reports whether the credentials are anonymous.
func (c Credentials) IsZero() bool { return c == Credentials{} }

// String names the user only.
func (c Credentials) String() string {
	if c.IsZero() {
		return "anonymous"
	}
	if c.Token != "" {
		return "a bearer token"
	}
	return fmt.Sprintf("user %q", c.Username)
}

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// Format writes String whatever the verb is.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// MarshalJSON encodes the user only.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Username string `json:"username,omitempty"`
	}{c.Username})
}

// BasicCredentials reads the keys username and password of a Secret. Line ends at the end of the values are dropped:
// they come from files and are never meant. Anything missing is an [Error] with reason AuthenticationFailed, stalled,
// which names the keys that are there.
func BasicCredentials(secretType string, data map[string][]byte) (Credentials, error) {
	if secretType == DockerConfigType {
		return Credentials{}, badSecret("a Secret of type %s is for registries; keys %s and %s are needed here",
			DockerConfigType, usernameKey, passwordKey)
	}

	c := Credentials{Username: value(data, usernameKey), Password: value(data, passwordKey)}
	if c.Username == "" || c.Password == "" {
		return Credentials{}, badSecret("the Secret needs the keys %s and %s, not empty; it has %s",
			usernameKey, passwordKey, keysOf(data))
	}

	return c, nil
}

// BucketCredentials reads the keys accesskey and secretkey of a Secret; the access key is the user name. The rest is as
// for [BasicCredentials].
func BucketCredentials(data map[string][]byte) (Credentials, error) {
	c := Credentials{Username: value(data, accessKeyKey), Password: value(data, secretKeyKey)}
	if c.Username == "" || c.Password == "" {
		return Credentials{}, badSecret("the Secret needs the keys %s and %s, not empty; it has %s",
			accessKeyKey, secretKeyKey, keysOf(data))
	}
	return c, nil
}

// RegistryCredentials reads what a Secret holds for a repository of a registry, host/path without a scheme: the keys
// username and password, or, for type kubernetes.io/dockerconfigjson, the entry whose key is the longest prefix of the
// repository. A Secret without an entry for the host is an [Error] with reason AuthenticationFailed, stalled, which
// names the host and the hosts that are there.
func RegistryCredentials(secretType string, data map[string][]byte, repository string) (Credentials, error) {
	config, ok := data[DockerConfigKey]
	if secretType != DockerConfigType && !ok {
		return BasicCredentials(secretType, data)
	}
	if !ok {
		return Credentials{}, badSecret("a Secret of type %s needs the key %s; it has %s",
			DockerConfigType, DockerConfigKey, keysOf(data))
	}
	return dockerCredentials(config, repository)
}

func value(data map[string][]byte, key string) string {
	return strings.TrimRight(string(data[key]), "\r\n")
}

func keysOf[V any](data map[string]V) string { return list(slices.Sorted(maps.Keys(data))) }

// list shows names from an outside input, at most ten of them.
func list(names []string) string {
	const most = 10
	if len(names) == 0 {
		return "none"
	}

	rest := len(names) - most
	if rest > 0 {
		names = names[:most]
	}

	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}

	text := strings.Join(quoted, ", ")
	if rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}

	return text
}

func badSecret(format string, args ...any) *Error {
	return Stall(v1beta1.AuthenticationFailedReason, nil, format, args...)
}
