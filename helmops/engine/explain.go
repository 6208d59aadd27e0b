package engine

import (
	"context"
	"errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
)

// Hide returns a mask for what objects say that were made with the given values.
type Hide func(former map[string]any) redact.Mask

// Explain looks at objects of a release and their pods, and says what those lack that are not healthy, and why. What
// cannot be read is left out.
//
// The status of an object can quote a secret. Therefore the answer hides what hide says of the values of the newest
// revision and of the deployed one, and what the Secrets in their manifests hold. While these revisions cannot be
// read, there is no answer.
func (e *Engine) Explain(
	ctx context.Context, access cluster.Access, target plan.Target, refs []v1beta1.ResourceRef, hide Hide,
) []v1beta1.ObjectHealth {
	at, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil
	}

	r := &run{
		Action: Action{Access: access, Target: target},
		ctx:    ctx, site: at, as: as, engine: e, reader: reader(as, access, target), key: key(target),
	}
	mask, err := r.maskOfRevisions(hide)
	if err != nil {
		return nil
	}

	objects := r.newClient(nil, nil).Explain(refs) //nolint:contextcheck // the run carries it
	for i := range objects {
		objects[i].Message = mask.Apply(ssa.Scrub(objects[i].Message))
	}

	return objects
}

// maskOfRevisions hides what the live objects of a release can have secrets from: the newest revision and the deployed
// one.
func (r *run) maskOfRevisions(hide Hide) (redact.Mask, error) {
	history, err := r.site.records.History(r.ctx, r.reader, r.key)
	if err != nil {
		return redact.Mask{}, err
	}
	if len(history) == 0 {
		return redact.Mask{}, errors.New("the release has no revision")
	}

	var mask redact.Mask
	for _, version := range liveVersions(history) {
		revision, err := r.site.records.One(r.ctx, r.reader, r.key, version)
		if err != nil {
			return redact.Mask{}, err
		}
		if revision == nil || revision.Release == nil {
			return redact.Mask{}, errors.New("the revision is gone")
		}

		secrets, err := secretsOf(contentOf(revision.Release))
		if err != nil {
			return redact.Mask{}, err
		}

		mask = mask.Join(hide(revision.Release.Config)).Join(redact.NewMask(secrets...))
	}

	return mask, nil
}

// liveVersions are the revisions that live objects can come from: the newest, and the deployed one where that is
// another. History is newest first.
func liveVersions(history []plan.Record) []int {
	versions := []int{history[0].Version}
	for _, record := range history[1:] {
		if record.Status == plan.StatusDeployed {
			return append(versions, record.Version)
		}
	}
	return versions
}

// secretsOf is the content of the Secrets in a revision, hooks included.
func secretsOf(content *Content) ([]any, error) {
	secrets, err := diff.Secrets(content.Manifest)
	if err != nil {
		return nil, err
	}

	for _, hook := range content.Hooks {
		more, err := diff.Secrets(hook.Manifest)
		if err != nil {
			return nil, err
		}

		secrets = append(secrets, more...)
	}

	return secrets, nil
}
