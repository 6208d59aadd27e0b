package git

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	gitconfig "github.com/go-git/go-git/v5/config"

	"fairlead.dev/fairlead/sources/transport"
)

const (
	modulesFile = ".gitmodules"
	// maxModules is how many submodules a work tree may have, maxModuleDepth how deeply they may be nested.
	maxModules     = 100
	maxModuleDepth = 5
	maxModulesFile = 256 << 10
)

// submodules adds the files of submodules, which are named in the .gitmodules at prefix, to a walk.
func (r *Remote) submodules(ctx context.Context, walk *walker, prefix string, modules []treeFile, depth int) error {
	if len(modules) == 0 {
		return nil
	}
	if depth >= maxModuleDepth || len(walk.modules) > maxModules {
		return walk.bad("it has more than %d submodules, or they are nested more than %d deep", maxModules, maxModuleDepth)
	}

	urls, err := walk.moduleURLs(prefix)
	if err != nil {
		return err
	}

	for _, module := range slices.Clone(modules) {
		address, known := urls[strings.TrimPrefix(module.path, prefix)]
		if !known {
			return walk.bad("the submodule %.200q has no URL in %s", module.path, prefix+modulesFile)
		}

		sub, err := r.submodule(address)
		if err != nil {
			return fmt.Errorf("%s: the submodule %.200q: %w", walk.what, module.path, err)
		}

		what := fmt.Sprintf("fetching the submodule %.200q, commit %s of %s,", module.path, module.hash, sub.name)
		e, err := sub.open(ctx, what)
		if err != nil {
			return err
		}

		p, err := e.fetch(ctx, Revision{Commit: module.hash.String()}, what)
		e.close()
		if err != nil {
			return err
		}
		if err := sub.gather(ctx, walk, p, module.hash.String(), module.path+"/", depth+1); err != nil {
			return err
		}
	}

	return nil
}

// moduleURLs reads a .gitmodules: URLs by path. The file has been gathered with the others.
func (w *walker) moduleURLs(prefix string) (map[string]string, error) {
	at := slices.IndexFunc(w.files, func(f treeFile) bool { return f.path == prefix+modulesFile })
	if at < 0 {
		return nil, w.bad("it has submodules and no %s", prefix+modulesFile)
	}

	var text strings.Builder
	if err := w.content(w.files[at], maxModulesFile, &text); err != nil {
		return nil, err
	}

	modules := gitconfig.NewModules()
	if err := modules.Unmarshal([]byte(text.String())); err != nil {
		return nil, w.bad("%s cannot be read", prefix+modulesFile)
	}

	urls := map[string]string{}
	for _, module := range modules.Submodules {
		urls[path.Clean(module.Path)] = module.URL
	}

	return urls, nil
}

// submodule opens the repository of a submodule. A relative URL counts from that of the repository. Credentials are
// sent only to the same host.
func (r *Remote) submodule(address string) (*Remote, error) {
	base, err := parseURL(r.opts.URL)
	if err != nil {
		return nil, err
	}

	if strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") {
		relative := *base
		relative.Path = path.Join(base.Path, address)
		address = relative.String()
	}

	at, err := parseURL(address)
	if err != nil {
		return nil, err
	}

	o := Options{
		URL: address, HTTP: r.opts.HTTP, Network: r.opts.Network, Content: Content{Submodules: true}, Limits: r.opts.Limits,
	}
	if sameServer(base, at) {
		o.Credentials = r.opts.Credentials
		o.Identity = r.opts.Identity
	} else {
		o.HTTP = transport.Bare(r.opts.HTTP) // a client certificate is for the other host
	}

	return New(o)
}

// sameServer reports whether two URLs are of the same scheme, host and port.
func sameServer(a, b *url.URL) bool {
	if a.Scheme == SSHScheme && b.Scheme == SSHScheme {
		return strings.EqualFold(a.Host, b.Host)
	}
	return transport.SameHost(a, b)
}

// Directories checks the paths of directories that are to make up an archive, and returns them in the form that Content
// takes. One that leads out of the tree is a sources.Error with reason InvalidReference, stalled.
func Directories(paths []string) ([]string, error) {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		clean, err := cleanPath(strings.TrimPrefix(p, "/"))
		if err != nil {
			return nil, err
		}
		out = append(out, clean)
	}
	return out, nil
}
