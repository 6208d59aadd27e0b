package sources

import (
	"encoding/base64"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// dockerHub is the one name that stands for Docker Hub's several.
const dockerHub = "docker.io"

// dockerConfig is the part of a docker config.json that is used. Helpers that run a program are left out on purpose.
type dockerConfig struct {
	Auths map[string]dockerEntry `json:"auths"`
}

type dockerEntry struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// dockerCredentials finds the entry for the repository as the kubelet does: the key with the longest path that is a
// prefix of the repository, and among equals the one without a wildcard. A prefix ends at a slash, so that an entry for
// host/team never serves host/team-b.
func dockerCredentials(config []byte, repository string) (Credentials, error) {
	var parsed dockerConfig
	if err := json.Unmarshal(config, &parsed); err != nil {
		// The decoder's own text may quote the document, which is secret.
		return Credentials{}, badSecret("the key %s is not a docker config.json", DockerConfigKey)
	}

	host, repoPath := splitRepository(repository)
	best := ""
	found := false
	for key := range parsed.Auths {
		if matches(key, host, repoPath) && (!found || better(key, best)) {
			best = key
			found = true
		}
	}

	if !found {
		return Credentials{}, badSecret("the docker config has no entry for %s; it has entries for %s",
			quote(host), list(hostsOf(parsed.Auths)))
	}

	return parsed.Auths[best].credentials(best)
}

// hostOf gives the host of an entry's key without what a malformed key may hold in front of it.
func hostOf(key string) string {
	host, _ := splitKey(key)
	return host[strings.LastIndexByte(host, '@')+1:]
}

// hostsOf gives the hosts of all entries, for a message.
func hostsOf(auths map[string]dockerEntry) []string {
	hosts := make([]string, 0, len(auths))
	for key := range auths {
		hosts = append(hosts, hostOf(key))
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

func (e dockerEntry) credentials(key string) (Credentials, error) {
	if e.Username != "" && e.Password != "" {
		return Credentials{Username: e.Username, Password: e.Password}, nil
	}

	if e.Auth != "" {
		decoded, err := decodeAuth(e.Auth)
		name, password, ok := strings.Cut(decoded, ":")
		password = strings.TrimRight(password, "\x00\r\n")
		if err == nil && ok && name != "" && password != "" {
			return Credentials{Username: name, Password: password}, nil
		}
		if e.IdentityToken == "" && e.RegistryToken == "" {
			return Credentials{}, badSecret("auth of the docker config's entry %s is not base64 of user:password",
				quote(hostOf(key)))
		}
	}

	if e.IdentityToken != "" || e.RegistryToken != "" {
		return Credentials{}, badSecret("the docker config's entry %s holds a token of a login session; "+
			"only a user name and a password, or an access token as password, can be used", quote(hostOf(key)))
	}

	return Credentials{}, badSecret("the docker config's entry %s has neither auth nor username and password",
		quote(hostOf(key)))
}

func decodeAuth(auth string) (string, error) {
	auth = strings.TrimSpace(auth)
	decoded, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		decoded, err = base64.RawStdEncoding.DecodeString(auth)
	}
	return string(decoded), err
}

// splitRepository splits host/path, calling Docker Hub by one name.
func splitRepository(repository string) (host, repoPath string) {
	host, repoPath, _ = strings.Cut(strings.Trim(repository, "/"), "/")
	return hubName(strings.ToLower(host)), repoPath
}

func hubName(host string) string {
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return dockerHub
	}
	return host
}

// splitKey splits the key of an entry, which may be a URL and may end in the API's version.
func splitKey(key string) (host, keyPath string) {
	if _, rest, ok := strings.Cut(key, "://"); ok {
		key = rest
	}

	host, keyPath = splitRepository(key)
	for _, api := range []string{"v1", "v2"} {
		if keyPath == api {
			return host, ""
		}
		if rest, ok := strings.CutPrefix(keyPath, api+"/"); ok {
			return host, rest
		}
	}

	return host, keyPath
}

func matches(key, host, repoPath string) bool {
	keyHost, keyPath := splitKey(key)
	if !hostMatches(keyHost, host) {
		return false
	}
	return keyPath == "" || repoPath == keyPath || strings.HasPrefix(repoPath, keyPath+"/")
}

// hostMatches compares label by label; a label of the pattern may hold wildcards, and the port has to be equal.
func hostMatches(pattern, host string) bool {
	if pattern == host {
		return true
	}
	if !isPattern(pattern) {
		return false
	}

	patternName, patternPort, _ := strings.Cut(pattern, ":")
	name, port, _ := strings.Cut(host, ":")
	wanted := strings.Split(patternName, ".")
	labels := strings.Split(name, ".")
	if patternPort != port || len(wanted) != len(labels) {
		return false
	}

	for i := range wanted {
		if ok, err := path.Match(wanted[i], labels[i]); err != nil || !ok {
			return false
		}
	}

	return true
}

func isPattern(host string) bool { return strings.ContainsAny(host, "*?[") }

// better orders two keys that both match: longer path, then no wildcard, then text, so that the choice is the same each
// time.
func better(a, b string) bool {
	aHost, aPath := splitKey(a)
	bHost, bPath := splitKey(b)
	if len(aPath) != len(bPath) {
		return len(aPath) > len(bPath)
	}
	if isPattern(aHost) != isPattern(bHost) {
		return isPattern(bHost)
	}
	return a < b
}
