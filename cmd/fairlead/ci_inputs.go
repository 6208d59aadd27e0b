package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fairlead.dev/fairlead/controllers/review"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/sources/git"
)

// trees opens the checkout and reads both trees.
func (flags *ciFlags) trees(ctx context.Context, config *review.Config) error {
	checkout, err := git.OpenCheckout(flags.repository)
	if err != nil {
		return err
	}

	from := flags.head
	if from == "" {
		from = "HEAD"
	}

	head, err := checkout.Commit(from)
	if err != nil {
		return fmt.Errorf("--head: %w", err)
	}

	base, err := checkout.Commit(flags.base)
	if err != nil {
		return fmt.Errorf("--base: %w", err)
	}
	if base, err = checkout.MergeBase(head, base, flags.base); err != nil {
		return fmt.Errorf("--base: %w", err)
	}

	config.Checkout = checkout
	if config.Base, err = checkout.At(ctx, base); err != nil {
		return err
	}
	if flags.head == "" {
		config.Head, err = checkout.WorkTree(ctx)
	} else {
		config.Head, err = checkout.At(ctx, head)
	}

	return err
}

// reviewCluster has the review read from the cluster, when that was asked for.
func (a *app) reviewCluster(ctx context.Context, flags *ciFlags, config *review.Config) error {
	if flags.cluster {
		c, err := a.open()
		if err != nil {
			return err
		}

		config.Cluster = callerReader{c.client}
		if config.KubeVersion == "" {
			if config.KubeVersion, err = c.kubeVersion(ctx); err != nil {
				return fmt.Errorf("ask for the version of the cluster: %w", err)
			}
		}
	}

	if config.KubeVersion == "" {
		config.KubeVersion = engine.DefaultKubeVersion
	}

	return nil
}

// cacheDir is where charts are kept.
func cacheDir(asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory of the user: %w; name one by --cache-dir", err)
	}
	return filepath.Join(dir, "fairlead"), nil
}

// maxDockerConfig bounds Docker's config.json, in bytes.
const maxDockerConfig = 1 << 20

// callersDockerConfig reads the credentials for registries that the caller has logged in to; nothing when there are none.
func callersDockerConfig() ([]byte, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil //nolint:nilerr // without a home there is no file
		}
		dir = filepath.Join(home, ".docker")
	}

	file, err := os.Open(filepath.Join(dir, "config.json")) // #nosec G304 G703 -- the user names the directory
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the credentials of Docker: %w", err)
	}

	content, err := io.ReadAll(io.LimitReader(file, maxDockerConfig))
	return content, errors.Join(err, file.Close())
}
