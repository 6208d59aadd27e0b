package engine

import (
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// preflight has the API server check what an upgrade writes when everything was rendered, before anything is written: the
// revision that the record is for would only fail.
type preflight struct {
	driver.Driver
	run *run
}

// Create implements driver.Driver.
func (p *preflight) Create(key string, rel *release.Release) error {
	var created []string
	if p.run.Options.CreateNamespace {
		created = append(created, p.run.Target.Namespace)
	}
	if err := p.run.client.Preflight(rel.Manifest, created...); err != nil {
		return err
	}
	return p.Driver.Create(key, rel)
}
