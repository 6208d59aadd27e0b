package engine

import (
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/plan"
)

// preflight has the API server check what an upgrade writes when everything was rendered, before anything is written:
// the revision that the record is for would only fail.
type preflight struct {
	driver.Driver
	run *run
	// before is the history of the release, newest first.
	before []plan.Record
}

// Create implements driver.Driver.
func (p *preflight) Create(key string, rel *release.Release) error {
	update := kubeclient.Proposal{Manifest: rel.Manifest}
	if p.run.Options.CreateNamespace {
		update.Namespaces = append(update.Namespaces, p.run.Target.Namespace)
	}

	var err error
	if update.Former, err = p.former(); err != nil {
		return err
	}
	if err := p.run.client.Preflight(update); err != nil {
		return err
	}

	return p.Driver.Create(key, rel)
}

// former is the manifest that Helm's upgrade compares with: that of the deployed revision, else that of the newest.
// Only a client-side update needs it.
func (p *preflight) former() (string, error) {
	if p.run.method != plan.ClientSide || len(p.before) == 0 {
		return "", nil
	}

	from := p.before[0]
	for _, record := range p.before {
		if record.Status == plan.StatusDeployed {
			from = record
			break
		}
	}

	found, err := p.run.site.records.One(p.run.ctx, p.run.reader, p.run.key, from.Version)
	if err != nil || found == nil {
		return "", err
	}

	return found.Release.Manifest, nil
}
