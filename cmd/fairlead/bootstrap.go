package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/helmops/view"
)

const (
	// tokenVariable holds the token when no flag does, so that it does not show in the list of processes.
	tokenVariable = "FAIRLEAD_GIT_TOKEN" //nolint:gosec // the name of a variable, no credential
	// passphraseVariable holds the passphrase of a private key.
	passphraseVariable = "FAIRLEAD_GIT_PASSPHRASE" //nolint:gosec // the name of a variable, no credential
	// credentialsSecret holds what the repository is read with.
	credentialsSecret = "fairlead-git"
)

func newBootstrapCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bootstrap",
		Short:   "Install Fairlead from a Git repository that the cluster follows",
		Example: `  fairlead bootstrap git --url https://git.example.com/org/fleet --path clusters/production --image registry.example.com/fairlead:v1`,
		Args:    unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef(cmd, "expected what to bootstrap from: git")
		},
	}
	cmd.AddCommand(newBootstrapGitCommand(a))
	return cmd
}

// bootstrapFlags say which repository a cluster follows.
type bootstrapFlags struct {
	installFlags
	repository    install.Repository
	key           string
	knownHosts    string
	tokenFile     string
	path          string
	interval      time.Duration
	author, email string
}

func newBootstrapGitCommand(a *app) *cobra.Command {
	f := &bootstrapFlags{}
	cmd := &cobra.Command{
		Use:   "git --url URL --path PATH --image IMAGE",
		Short: "Install Fairlead from a directory of a Git repository",
		Long: `Install Fairlead from a Git repository that it then follows. The command commits the manifests of Fairlead, and of a GitRepository and
a Kustomization that point at the repository, to PATH/fairlead-system, pushes, and installs the same in the cluster; with --wait it
waits until the cluster has applied that commit. From then on what is pushed to PATH is applied, Fairlead itself included.

A second run changes nothing. A newer command, or another --image, upgrades by a commit. --dry-run prints what would be pushed and
changed, and does neither.

The token is read from the file of --token-file, from standard input with "-", or else from $` + tokenVariable + `. It has
to read and write the repository here, and to read it in the cluster, where it is kept in Secret
` + install.Namespace + `/` + credentialsSecret + `; it is committed nowhere. Without a token the repository is used without signing in.

Over SSH (--url ssh://git@host/path) a private key signs in instead: --private-key-file, with its passphrase in $` + passphraseVariable + `
when it has one. The host has to be in --known-hosts-file. The cluster gets the key, and the line of this host.

With --wait it exits with 0 when the cluster follows the repository, with 1 when it does not in time, with 2 on an error.`,
		Example: `  ` + tokenVariable + `=... fairlead bootstrap git --url https://git.example.com/org/fleet --path clusters/production \
    --image registry.example.com/fairlead:v1
  fairlead bootstrap git --url https://git.example.com/org/fleet --branch live --path clusters/staging --image registry.example.com/fairlead:v1
  fairlead bootstrap git --url ssh://git@git.example.com/org/fleet --private-key-file ~/.ssh/fleet --path clusters/production \
    --image registry.example.com/fairlead:v1`,
		Args: noArguments,
	}
	a.addConnectionFlags(cmd)
	f.add(cmd)
	f.waitFlags.add(cmd, "wait until the cluster has applied the commit")
	flags := cmd.Flags()
	flags.StringVar(&f.repository.URL, "url", "", "address of the repository, http(s) or ssh; required")
	flags.StringVar(&f.repository.Branch, "branch", "main", "branch that the cluster follows")
	flags.StringVar(&f.path, "path", "", "directory of the repository that the cluster follows, for example clusters/production; required")
	flags.StringVar(&f.repository.Username, "username", "git", "user name that goes with the token")
	flags.StringVar(&f.tokenFile, "token-file", "",
		`file with the token or password for the repository, "-" for standard input; $`+tokenVariable+` when left out`)
	addRemovedTokenFlag(cmd)
	flags.StringVar(&f.key, "private-key-file", "", "private key for a repository over ssh")
	flags.StringVar(&f.knownHosts, "known-hosts-file", "", "hosts that the private key is shown to; ~/.ssh/known_hosts when left out")
	flags.DurationVar(&f.interval, "interval", time.Minute, "how often the cluster looks for new commits")
	flags.StringVar(&f.author, "author-name", "Fairlead", "author of the commit")
	flags.StringVar(&f.email, "author-email", "fairlead@localhost", "e-mail address of the author")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.readToken(a, cmd); err != nil {
			return err
		}
		if err := f.check(cmd); err != nil {
			return err
		}

		ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
		defer cancel()
		return a.bootstrap(ctx, f)
	}
	return cmd
}

func (f *bootstrapFlags) check(cmd *cobra.Command) error {
	f.path = strings.Trim(path.Clean("/"+f.path), "/")
	switch {
	case f.repository.URL == "":
		return usagef(cmd, "--url is missing: the address of the repository")
	case f.path == "":
		return usagef(cmd, "--path is missing: the directory of the repository that the cluster follows, for example clusters/production")
	case f.repository.Branch == "":
		return usagef(cmd, "--branch is empty")
	case f.interval <= 0:
		return usagef(cmd, "--interval %s: write a time above 0, for example 10m", f.interval)
	}

	if err := f.readKey(); err != nil {
		return usagef(cmd, "--private-key-file: %s", err)
	}
	if err := f.repository.Check(); err != nil {
		return usagef(cmd, "--url: %s", err)
	}

	return f.installFlags.check(cmd)
}

// addRemovedTokenFlag adds the hidden flag that formerly took the token itself. It is refused, because other users of the
// computer can read a command line.
func addRemovedTokenFlag(cmd *cobra.Command) {
	cmd.Flags().String("token", "", "refused; use --token-file")
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.Flags().MarkHidden("token")
}

// readToken reads the token from its file, or else from the environment. The error does not hold it.
func (f *bootstrapFlags) readToken(a *app, cmd *cobra.Command) error {
	if cmd.Flags().Changed("token") {
		return usagef(cmd, "--token would show the token to other users of this computer; use --token-file FILE, "+
			"--token-file - for standard input, or $%s", tokenVariable)
	}

	if f.tokenFile == "" {
		f.repository.Token = os.Getenv(tokenVariable)
		return nil
	}

	content, err := a.readInput(f.tokenFile)
	if err != nil {
		return usagef(cmd, "--token-file: %s", err)
	}
	if f.repository.Token, err = oneWord(content); err != nil {
		return usagef(cmd, "--token-file: %s", err)
	}

	return nil
}

// readKey reads the private key, where one is named.
func (f *bootstrapFlags) readKey() error {
	if f.key == "" {
		return nil
	}

	private, err := os.ReadFile(f.key)
	if err != nil {
		return err
	}

	if f.knownHosts == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return err
		}

		f.knownHosts = filepath.Join(home, ".ssh", "known_hosts")
	}

	f.repository.Key, err = install.NewKey(f.repository.URL, private, os.Getenv(passphraseVariable), f.knownHosts)
	return err
}

// options are what is committed and installed.
func (f *bootstrapFlags) options() install.Options {
	out := f.installFlags.options()
	out.Sync = &install.Sync{URL: f.repository.URL, Branch: f.repository.Branch, Path: f.path, Interval: f.interval}
	if f.repository.Token != "" || f.repository.Key != nil {
		out.Sync.Secret = credentialsSecret
	}
	return out
}

func (a *app) bootstrap(ctx context.Context, f *bootstrapFlags) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	site, err := c.site(ctx)
	if err != nil {
		return err
	}
	if err := a.admitBootstrap(ctx, c, site, f.options().Sync); err != nil {
		return err
	}
	if err := f.admitPolicies(site); err != nil {
		return err
	}
	if f.dryRun {
		return a.previewBootstrap(ctx, site, f)
	}

	options := f.options()
	commit, err := a.commitManifests(ctx, f, options)
	if err != nil {
		return err
	}
	// The namespace comes first; the Secret has to be there when the source looks for it, and is in no manifest.
	if err := a.applyInstallation(ctx, site, &f.installFlags); err != nil {
		return err
	}

	if options.Sync.Secret != "" {
		if err := site.ApplySecret(ctx, options.Sync.Secret, f.repository.Credentials()); err != nil {
			return err
		}
	}

	if _, err := site.Apply(ctx, options); err != nil {
		return fmt.Errorf("have the cluster follow %s: %w", f.repository.URL, err)
	}

	if !f.wait {
		a.say("the cluster is set up to follow %s; to wait for commit %s: fairlead wait kustomization %s -n %s --for revision=%s",
			f.repository.URL, commit[:12], install.Root, install.Namespace, commit[:12])
		return nil
	}

	return a.awaitSync(ctx, c, commit, f.timeout)
}

// admitBootstrap looks whether the cluster may be pointed at the repository before anything is written.
func (a *app) admitBootstrap(ctx context.Context, c *connection, site *install.Site, sync *install.Sync) error {
	checks, err := site.Before(ctx)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.describe(), err)
	}

	for _, check := range checks {
		if check.Outcome == install.Failed {
			return fmt.Errorf("%s: %s; %s", check.Name, check.Message, check.Fix)
		}
	}

	found, err := site.Find(ctx)
	if err != nil {
		return fmt.Errorf("look for Fairlead in %s: %w", c.describe(), err)
	}

	if wanted := sync.Follows(); found.Follows != "" && found.Follows != wanted {
		return fmt.Errorf("this cluster follows %s already, not %s; what came from there would be deleted; use that address, or \"fairlead uninstall\" first",
			found.Follows, wanted)
	}

	return nil
}

func (a *app) commitManifests(ctx context.Context, f *bootstrapFlags, options install.Options) (string, error) {
	files, err := options.Files(ctx)
	if err != nil {
		return "", err
	}

	p := &progress{w: a.err, width: a.width}
	p.show("reading " + f.repository.URL)
	commit, changed, err := f.repository.Write(ctx, options.Sync.Dir(), files, install.Commit{
		Message: "Fairlead " + version + " for " + options.Sync.Path + "\n", Author: f.author, Email: f.email, Now: a.now,
	})
	p.clear()
	switch {
	case err != nil:
		return "", err
	case changed:
		fmt.Fprintf(a.out, "pushed %s to branch %s: %s\n", commit[:12], f.repository.Branch, options.Sync.Dir())
	default:
		fmt.Fprintf(a.out, "branch %s has the manifests already, at %s\n", f.repository.Branch, commit[:12])
	}

	return commit, nil
}

// awaitSync waits until the cluster has applied the commit, or a later one.
func (a *app) awaitSync(ctx context.Context, c *connection, commit string, timeout time.Duration) error {
	key := types.NamespacedName{Namespace: install.Namespace, Name: install.Root}
	last := ""
	for _, name := range []string{v1beta1.GitRepositoryKind, v1beta1.KustomizationKind} {
		k, _ := kindByName(name)
		f := a.follower(c, k, key, a.token(), timeout)
		state, err := f.follow(ctx, func(ctx context.Context) (view.Object, error) { return patch(ctx, c, k, key, requestPatch(f.token)) })
		switch {
		case err != nil:
			return err
		case !state.Done || state.Phase != view.Ready:
			return a.conclude(k, key, state, timeout)
		}

		last = state.Message
	}

	object, err := view.NewReader(c.client).Object(ctx, v1beta1.KustomizationKind, key)
	if err != nil {
		return err
	}

	ks, is := object.(*v1beta1.Kustomization)
	if !is {
		return errors.New("the answer of the API server is no Kustomization")
	}
	if applied := ks.Status.LastAppliedRevision; !strings.HasSuffix(applied, commit) {
		fmt.Fprintf(a.out, "the cluster is at %s, not at %s: another push came in between, or the branch is another\n", applied, commit[:12])
	}

	fmt.Fprintln(a.out, oneLine("the cluster follows the repository: "+last))
	return nil
}
