package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func newCreateSecretCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Create the Secret of a source",
		Long: `Create the Secret of a source, or print its manifest with --export. What is secret comes from a
file, or from standard input with "-", and never from the command line. A printed manifest holds it in plain
text: encrypt it before it gets into Git.`,
		Example: `  fairlead create secret git fleet-token --username fairlead --password-file token.txt
  fairlead create secret git fleet-key --private-key-file id_ed25519 --known-hosts-file known_hosts --export`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef(cmd, "expected the kind of Secret: git, helm, registry, bucket, proxy or tls")
		},
	}
	cmd.AddCommand(
		newCreateGitSecretCommand(a), newCreateHelmSecretCommand(a), newCreateRegistrySecretCommand(a),
		newCreateBucketSecretCommand(a), newCreateProxySecretCommand(a), newCreateTLSSecretCommand(a),
	)
	return cmd
}

// secretFile is one key of a Secret that comes from a file.
type secretFile struct {
	flag, key string
	path      *string
	// word is set for a password or token: the line break at its end is not a part of it.
	word bool
}

// secretFlags are the keys of a Secret by their flags.
type secretFlags struct {
	files []secretFile
	// texts are keys that come from the command line and are not secret.
	texts map[string]*string
}

// file adds a flag with a file.
func (f *secretFlags) file(cmd *cobra.Command, flag, key, usage string) {
	path := cmd.Flags().String(flag, "", usage+`; "-" for standard input`)
	_ = cmd.MarkFlagFilename(flag)
	f.files = append(f.files, secretFile{flag: flag, key: key, path: path})
}

// word adds a flag with a file that holds a password or token.
func (f *secretFlags) word(cmd *cobra.Command, flag, key, usage string) {
	f.file(cmd, flag, key, usage)
	f.files[len(f.files)-1].word = true
}

// text adds a flag with a text that is not secret.
func (f *secretFlags) text(cmd *cobra.Command, flag, key, usage string) *string {
	value := cmd.Flags().String(flag, "", usage)
	if f.texts == nil {
		f.texts = map[string]*string{}
	}
	f.texts[key] = value
	return value
}

// read reads what is given. Contents are in no error.
func (f *secretFlags) read(a *app) (map[string]string, error) {
	out := map[string]string{}
	fromStdin := ""
	for _, file := range f.files {
		if *file.path == "" {
			continue
		}

		if *file.path == fromInput {
			if fromStdin != "" {
				return nil, fmt.Errorf("--%s and --%s cannot both be read from standard input", fromStdin, file.flag)
			}
			fromStdin = file.flag
		}

		content, err := a.readInput(*file.path)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", file.flag, err)
		}

		out[file.key] = string(content)
		if !file.word {
			continue
		}
		if out[file.key], err = oneWord(content); err != nil {
			return nil, fmt.Errorf("--%s: %w", file.flag, err)
		}
	}

	for key, text := range f.texts {
		if *text != "" {
			out[key] = *text
		}
	}

	return out, nil
}

// oneWord is the password or token in a file, without the line break at its end. The error does not hold it.
func oneWord(content []byte) (string, error) {
	text := strings.TrimRight(string(content), "\r\n")
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return "", errors.New("the file has to hold one line")
	}
	return text, nil
}

// addSecret adds the flags of a command that creates a Secret. check says what is missing or does not go together.
func (a *app) addSecret(cmd *cobra.Command, f *secretFlags, check func(given func(string) bool) error) {
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		if err := check(func(flag string) bool { return isGiven(cmd, flag) }); err != nil {
			return nil, usagef(cmd, "%s", err)
		}

		content, err := f.read(a)
		if err != nil {
			return nil, err
		}

		return secretOf(corev1.SecretTypeOpaque, content), nil
	})
}

// isGiven reports whether a flag has a value that is not empty.
func isGiven(cmd *cobra.Command, flag string) bool {
	return cmd.Flags().Lookup(flag).Value.String() != ""
}

func secretOf(kind corev1.SecretType, content map[string]string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Secret"},
		Type:     kind, StringData: content,
	}
}

func newCreateGitSecretCommand(a *app) *cobra.Command {
	f := &secretFlags{}
	cmd := &cobra.Command{
		Use:   "git NAME",
		Short: "Create the Secret of a GitRepository",
		Long: `Create the Secret of a GitRepository: a user name with a password or access token, a bearer
token, or a private key with the host keys that are trusted. Write the latter with ssh-keyscan, and compare them
with what the host publishes.`,
		Example: `  fairlead create secret git fleet-token -n fleet --username fairlead --password-file token.txt
  fairlead create secret git fleet-key --private-key-file id_ed25519 --known-hosts-file known_hosts --export
  printf %s "$TOKEN" | fairlead create secret git fleet-token --token-file - --export`,
	}
	f.text(cmd, "username", "username", "user name")
	f.word(cmd, "password-file", "password", "file with the password or access token")
	f.word(cmd, "token-file", "bearerToken", "file with a token for the header Authorization: Bearer")
	f.file(cmd, "private-key-file", "identity", "file with the private key")
	f.file(cmd, "known-hosts-file", "known_hosts", "file with the host keys that are trusted")
	f.word(cmd, "passphrase-file", "password", "file with the passphrase of the private key")
	f.file(cmd, "ca-file", "ca.crt", "file with the authority that has signed the server's certificate")
	a.addSecret(cmd, f, func(given func(string) bool) error {
		ways := 0
		for _, flag := range []string{"password-file", "token-file", "private-key-file"} {
			if given(flag) {
				ways++
			}
		}

		switch {
		case ways > 1:
			return errors.New("give one of --password-file, --token-file and --private-key-file")
		case ways == 0 && !given("ca-file"):
			return errors.New("give --password-file, --token-file, --private-key-file or --ca-file")
		case given("username") != given("password-file"):
			return errors.New("--username and --password-file go together")
		case given("private-key-file") != given("known-hosts-file"):
			return errors.New("--private-key-file and --known-hosts-file go together")
		case given("passphrase-file") && !given("private-key-file"):
			return errors.New("--passphrase-file goes with --private-key-file")
		case given("private-key-file") && given("ca-file"):
			return errors.New("--ca-file is for http(s), not for a private key")
		}

		return nil
	})
	return cmd
}

func newCreateHelmSecretCommand(a *app) *cobra.Command {
	f := &secretFlags{}
	cmd := &cobra.Command{
		Use:   "helm NAME",
		Short: "Create the Secret of a HelmRepository",
		Long: `Create the Secret of a HelmRepository: a user name and a password. For a registry, "fairlead
create secret registry" does as well, and kubelets can use that for images, too.`,
		Example: `  fairlead create secret helm charts -n web --username reader --password-file password.txt
  fairlead create secret helm charts --username reader --password-file - --export < password.txt`,
	}
	f.text(cmd, "username", "username", "user name; required")
	f.word(cmd, "password-file", "password", "file with the password; required")
	a.addSecret(cmd, f, func(given func(string) bool) error {
		if !given("username") || !given("password-file") {
			return errors.New("--username and --password-file are required")
		}
		return nil
	})
	return cmd
}

func newCreateBucketSecretCommand(a *app) *cobra.Command {
	f := &secretFlags{}
	cmd := &cobra.Command{
		Use:     "bucket NAME",
		Short:   "Create the Secret of a Bucket",
		Example: `  fairlead create secret bucket fleet-keys --access-key reader --secret-key-file key.txt --export`,
	}
	f.text(cmd, "access-key", "accesskey", "name of the access key; required")
	f.word(cmd, "secret-key-file", "secretkey", "file with the secret key; required")
	a.addSecret(cmd, f, func(given func(string) bool) error {
		if !given("access-key") || !given("secret-key-file") {
			return errors.New("--access-key and --secret-key-file are required")
		}
		return nil
	})
	return cmd
}

func newCreateProxySecretCommand(a *app) *cobra.Command {
	f := &secretFlags{}
	cmd := &cobra.Command{
		Use:     "proxy NAME",
		Short:   "Create the Secret of a proxy, for proxySecretRef",
		Example: `  fairlead create secret proxy proxy --address http://proxy.example.com:3128 --export`,
	}
	address := f.text(cmd, "address", "address", "address of the proxy: http, https or socks5; required")
	f.text(cmd, "username", "username", "user name")
	f.word(cmd, "password-file", "password", "file with the password")
	a.addSecret(cmd, f, func(given func(string) bool) error {
		if err := checkURL(*address, "http", "https", "socks5"); err != nil {
			return fmt.Errorf("--address: %w", err)
		}
		if given("username") != given("password-file") {
			return errors.New("--username and --password-file go together")
		}

		return nil
	})
	return cmd
}

func newCreateTLSSecretCommand(a *app) *cobra.Command {
	f := &secretFlags{}
	cmd := &cobra.Command{
		Use:     "tls NAME",
		Short:   "Create a Secret with certificates, for certSecretRef",
		Example: `  fairlead create secret tls internal-ca --ca-file ca.pem --export`,
	}
	f.file(cmd, "ca-file", "ca.crt", "file with the authority that has signed the server's certificate")
	f.file(cmd, "cert-file", "tls.crt", "file with the certificate of this side")
	f.file(cmd, "key-file", "tls.key", "file with the private key of the certificate")
	a.addSecret(cmd, f, func(given func(string) bool) error {
		switch {
		case given("cert-file") != given("key-file"):
			return errors.New("--cert-file and --key-file go together")
		case !given("ca-file") && !given("cert-file"):
			return errors.New("give --ca-file, or --cert-file and --key-file, or all of them")
		}
		return nil
	})
	return cmd
}

func newCreateRegistrySecretCommand(a *app) *cobra.Command {
	f := &secretFlags{}
	cmd := &cobra.Command{
		Use:     "registry NAME",
		Aliases: []string{"oci"},
		Short:   "Create the Secret of a registry",
		Example: `  fairlead create secret registry pull --server ghcr.io --username me --password-file password.txt
  fairlead create secret registry pull --server ghcr.io --username reader --password-file - --export < token.txt`,
	}
	server := f.text(cmd, "server", "server", "host of the registry, with its port or a path where needed; required")
	f.text(cmd, "username", "username", "user name; required")
	f.word(cmd, "password-file", "password", "file with the password or token; required")
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		for _, flag := range []string{"server", "username", "password-file"} {
			if !isGiven(cmd, flag) {
				return nil, usagef(cmd, "--%s is missing", flag)
			}
		}

		if strings.Contains(*server, "://") {
			return nil, usagef(cmd, "--server %q: write the host without a scheme, as registry.example.com", *server)
		}

		content, err := f.read(a)
		if err != nil {
			return nil, err
		}

		config, err := dockerConfig(content["server"], content["username"], content["password"])
		if err != nil {
			return nil, err
		}

		return secretOf(corev1.SecretTypeDockerConfigJson, map[string]string{corev1.DockerConfigJsonKey: config}), nil
	})
	return cmd
}

// dockerConfig is the content of a Secret that kubelets and sources read.
func dockerConfig(server, username, password string) (string, error) {
	entry := map[string]string{
		"username": username, "password": password,
		"auth": base64.StdEncoding.EncodeToString([]byte(username + ":" + password)),
	}
	out, err := json.Marshal(map[string]any{"auths": map[string]any{server: entry}})
	if err != nil {
		return "", fmt.Errorf("write the credentials of %s: %w", server, err)
	}
	return string(out), nil
}
