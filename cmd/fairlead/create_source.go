package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
)

func newCreateSourceCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "source",
		Short: "Create a source of charts or manifests",
		Example: `  fairlead create source git fleet --url https://git.example.com/org/fleet --branch main --export
  fairlead create source helm charts --url oci://registry.example.com/charts --export`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef(cmd, "expected the kind of source: git, helm, oci or bucket")
		},
	}
	cmd.AddCommand(
		newCreateGitCommand(a), newCreateHelmCommand(a), newCreateOCICommand(a), newCreateBucketCommand(a),
	)
	return cmd
}

// sourceFlags are those of every source.
type sourceFlags struct {
	url      string
	secret   string
	interval time.Duration
}

func (f *sourceFlags) add(cmd *cobra.Command, address string) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", address+"; required")
	f.addCommon(cmd)
}

func (f *sourceFlags) addCommon(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.secret, "secret", "", "Secret with the credentials, see \"fairlead create secret --help\"")
	flags.DurationVar(&f.interval, "interval", 0, "how often upstream is asked; the default of the kind when left out")
}

func (f *sourceFlags) check(cmd *cobra.Command) error {
	if f.interval < 0 {
		return usagef(cmd, "--interval %s: write a time above 0, for example 10m", f.interval)
	}
	return nil
}

// checkAddress checks --url as well.
func (f *sourceFlags) checkAddress(cmd *cobra.Command, schemes ...string) error {
	if f.url == "" {
		return usagef(cmd, "--url is missing")
	}
	if err := checkURL(f.url, schemes...); err != nil {
		return usagef(cmd, "--url: %s", err)
	}
	return f.check(cmd)
}

func newCreateGitCommand(a *app) *cobra.Command {
	f := &sourceFlags{}
	ref := &v1beta1.GitRepositoryRef{}
	cmd := &cobra.Command{
		Use:   "git NAME --url URL",
		Short: "Create a GitRepository",
		Long: `Create a GitRepository, or print its manifest with --export. Without --branch, --tag, --semver
or --commit it follows the branch master. Over SSH it needs --secret with a private key.`,
		Example: `  fairlead create source git fleet --url https://git.example.com/org/fleet --branch main --export
  fairlead create source git fleet --url ssh://git@git.example.com/org/fleet --secret fleet-key --export
  fairlead create source git charts --url https://git.example.com/org/charts --semver ">=1.0.0" --export`,
	}
	f.add(cmd, "address of the repository, http(s) or ssh")
	cmd.Flags().StringVar(&ref.Branch, "branch", "", "branch that is followed")
	cmd.Flags().StringVar(&ref.Tag, "tag", "", "tag that is taken")
	cmd.Flags().StringVar(&ref.SemVer, "semver", "", "range of versions; the newest tag in it is taken")
	cmd.Flags().StringVar(&ref.Commit, "commit", "", "commit that is taken; with --branch it has to be on it")
	cmd.MarkFlagsMutuallyExclusive("branch", "tag", "semver")
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		if f.url == "" {
			return nil, usagef(cmd, "--url is missing")
		}
		if err := install.CheckAddress(f.url); err != nil {
			return nil, usagef(cmd, "--url: %s", err)
		}
		if strings.HasPrefix(f.url, "ssh://") && f.secret == "" {
			return nil, usagef(cmd, "over SSH, --secret has to name the Secret with the private key")
		}
		if err := f.check(cmd); err != nil {
			return nil, err
		}

		out := &v1beta1.GitRepository{TypeMeta: ownType(v1beta1.GitRepositoryKind), Spec: v1beta1.GitRepositorySpec{
			URL: f.url, SecretRef: secretNamed(f.secret), Interval: orNil(f.interval),
		}}
		if *ref != (v1beta1.GitRepositoryRef{}) {
			out.Spec.Reference = ref
		}

		return out, nil
	})
	return cmd
}

func newCreateHelmCommand(a *app) *cobra.Command {
	f := &sourceFlags{}
	cmd := &cobra.Command{
		Use:   "helm NAME --url URL",
		Short: "Create a HelmRepository",
		Long: `Create a HelmRepository, or print its manifest with --export: a chart repository with an
index.yaml over http(s), or a registry with oci://.`,
		Example: `  fairlead create source helm charts --url https://charts.example.com --export
  fairlead create source helm charts --url oci://registry.example.com/charts --secret registry --export`,
	}
	f.add(cmd, "address of the repository, https, http or oci")
	insecure := cmd.Flags().Bool("insecure", false, "use HTTP for a registry")
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		if err := f.checkAddress(cmd, "https", "http", "oci"); err != nil {
			return nil, err
		}
		if *insecure && !strings.HasPrefix(f.url, "oci://") {
			return nil, usagef(cmd, "--insecure is for registries, with oci://")
		}

		out := &v1beta1.HelmRepository{TypeMeta: ownType(v1beta1.HelmRepositoryKind), Spec: v1beta1.HelmRepositorySpec{
			URL: f.url, SecretRef: secretNamed(f.secret), Interval: orNil(f.interval), Insecure: *insecure,
		}}
		if strings.HasPrefix(f.url, "oci://") {
			out.Spec.Type = v1beta1.HelmRepositoryTypeOCI
		}

		return out, nil
	})
	return cmd
}

func newCreateOCICommand(a *app) *cobra.Command {
	f := &sourceFlags{}
	ref := &v1beta1.OCIRepositoryRef{}
	cmd := &cobra.Command{
		Use:   "oci NAME --url URL",
		Short: "Create an OCIRepository",
		Long: `Create an OCIRepository, or print its manifest with --export: one chart, or one artifact of
manifests, in a registry. Without --tag, --semver or --digest it takes the tag latest.`,
		Example: `  fairlead create source oci shop --url oci://registry.example.com/charts/shop --semver 1.x --export
  fairlead create source oci shop --url oci://registry.example.com/charts/shop --tag 1.9.2 --secret registry --export`,
	}
	f.add(cmd, "address of the artifact, oci://HOST/PATH")
	insecure := cmd.Flags().Bool("insecure", false, "use HTTP")
	cmd.Flags().StringVar(&ref.Tag, "tag", "", "tag that is followed")
	cmd.Flags().StringVar(&ref.SemVer, "semver", "", "range of versions; the newest tag in it is taken")
	cmd.Flags().StringVar(&ref.Digest, "digest", "", "digest that is taken, sha256:…")
	cmd.MarkFlagsMutuallyExclusive("tag", "semver", "digest")
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		if err := f.checkAddress(cmd, "oci"); err != nil {
			return nil, err
		}

		out := &v1beta1.OCIRepository{TypeMeta: ownType(v1beta1.OCIRepositoryKind), Spec: v1beta1.OCIRepositorySpec{
			URL: f.url, SecretRef: secretNamed(f.secret), Interval: orNil(f.interval), Insecure: *insecure,
		}}
		if *ref != (v1beta1.OCIRepositoryRef{}) {
			out.Spec.Reference = ref
		}

		return out, nil
	})
	return cmd
}

func newCreateBucketCommand(a *app) *cobra.Command {
	f := &sourceFlags{}
	spec := v1beta1.BucketSpec{}
	cmd := &cobra.Command{
		Use:   "bucket NAME --bucket-name BUCKET --endpoint HOST",
		Short: "Create a Bucket",
		Long: `Create a Bucket, or print its manifest with --export: a bucket of an S3 server. Without --secret
requests are not signed. --insecure is for a server without TLS.`,
		Example: `  fairlead create source bucket fleet --bucket-name fleet --endpoint s3.example.com --secret keys
  fairlead create source bucket fleet --bucket-name fleet --endpoint minio.storage:9000 --insecure --export`,
	}
	f.addCommon(cmd)
	cmd.Flags().StringVar(&spec.BucketName, "bucket-name", "", "name of the bucket; required")
	cmd.Flags().StringVar(&spec.Endpoint, "endpoint", "", "host of the server, with a port where needed; required")
	cmd.Flags().StringVar(&spec.Region, "region", "", "region of the bucket")
	cmd.Flags().StringVar(&spec.Prefix, "prefix", "", "only files whose names begin with it")
	cmd.Flags().BoolVar(&spec.Insecure, "insecure", false, "use HTTP")
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		switch {
		case spec.BucketName == "":
			return nil, usagef(cmd, "--bucket-name is missing")
		case spec.Endpoint == "" || strings.Contains(spec.Endpoint, "/"):
			return nil, usagef(cmd, "--endpoint has to be a host, as s3.example.com or minio.storage:9000")
		}

		if err := f.check(cmd); err != nil {
			return nil, err
		}

		spec.SecretRef, spec.Interval = secretNamed(f.secret), orNil(f.interval)
		return &v1beta1.Bucket{TypeMeta: ownType(v1beta1.BucketKind), Spec: spec}, nil
	})
	return cmd
}
