package kustomization

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
)

// checks returns the objects of spec.healthChecks that are not healthy and not in reported yet. Other owners can have
// put secrets into their status, and the controller does not know these secrets. So it does not quote their messages.
func (h *handler) checks(k *v1beta1.Kustomization, in inputs, reported []v1beta1.ObjectHealth) []v1beta1.ObjectHealth {
	var out []v1beta1.ObjectHealth
	for _, check := range k.Spec.HealthChecks {
		version, err := schema.ParseGroupVersion(check.APIVersion)
		if err != nil {
			continue // admit has refused it
		}

		namespace := check.Namespace
		if namespace == "" {
			namespace = k.Namespace
		}

		key := types.NamespacedName{Namespace: namespace, Name: check.Name}
		found := h.healthOf(k, in, version.WithKind(check.Kind), key, false)
		if found != nil && !isReported(reported, *found) {
			out = append(out, *found)
		}
	}

	return out
}

func isReported(reported []v1beta1.ObjectHealth, o v1beta1.ObjectHealth) bool {
	for _, t := range reported {
		if t.Kind == o.Kind && t.Group == o.Group && t.Name == o.Name && (t.Namespace == o.Namespace || t.Namespace == "") {
			return true
		}
	}
	return false
}

// look finds out how the objects are, from what is watched.
func (h *handler) look(k *v1beta1.Kustomization, in inputs) *plan.Objects {
	key := client.ObjectKeyFromObject(k)
	sight, known := h.engine.Look(in.access, key, inventoryOf(k), in.health, !hasSecrets(k))
	o := &plan.Objects{
		Known:     known,
		Blind:     sight.Blind,
		Unhealthy: sight.Unhealthy,
		Of:        sight.Of,
		Differs:   sight.Differs,
		Unseen:    len(sight.Unseen),
	}
	if !known {
		return o
	}

	if k.Spec.Wait {
		o.Awaited = append(o.Awaited, sight.Unhealthy...)
		o.Awaited = append(o.Awaited, h.unseen(k, in, sight.Unseen)...)
	}

	o.Awaited = append(o.Awaited, h.checks(k, in, o.Awaited)...)
	return o
}

// unseen judges objects of kinds that may not be watched as a whole, one by one.
func (h *handler) unseen(k *v1beta1.Kustomization, in inputs, refs []v1beta1.ResourceRef) []v1beta1.ObjectHealth {
	var out []v1beta1.ObjectHealth
	quote := !hasSecrets(k)
	for _, ref := range refs {
		namespace, name, group, kind, ok := ref.Split()
		gvk := schema.GroupVersionKind{Group: group, Version: ref.Version, Kind: kind}
		if !ok || health.MetadataOnly(gvk.GroupKind()) {
			continue
		}
		if found := h.healthOf(k, in, gvk, types.NamespacedName{Namespace: namespace, Name: name}, quote); found != nil {
			out = append(out, *found)
		}
	}

	return out
}

// healthOf judges one object as the dependency watcher saw it last; nil when it is healthy. With quote it is described
// in its own words too.
func (h *handler) healthOf(
	k *v1beta1.Kustomization, in inputs, kind schema.GroupVersionKind, key types.NamespacedName, quote bool,
) *v1beta1.ObjectHealth {
	out := &v1beta1.ObjectHealth{
		Kind: kind.Kind, Group: kind.Group, Namespace: key.Namespace, Name: key.Name, State: string(health.InProgress),
	}
	seen := h.dependencyWatcher.Look(client.ObjectKeyFromObject(k), in.access, kind, key)
	switch {
	case seen.Err != nil:
		out.Message = fmt.Sprintf("it cannot be read: %s", seen.Err)
	case !seen.Known:
		out.Message = "it is being read"
	case seen.Object == nil:
		out.Message = "it does not exist"
	default:
		report := in.health.Assess(seen.Object, true)
		if report.State == health.Current {
			return nil
		}

		out.State = string(report.State)
		out.Message = report.Message
		if quote {
			out.Message = report.Full()
		}
	}

	return out
}

// hasSecrets reports whether objects of a Kustomization can repeat a secret in their status: it takes some from
// Secrets or from encrypted files, it has applied Secrets, or it is on the cluster of a kubeconfig, whose server may
// repeat what it was sent. Which values are secret is known only while the objects are built, and a message of a live
// object arrives at any time later, after a restart for example. Such messages are left out: masking them would mean
// to keep the decrypted values in memory.
func hasSecrets(k *v1beta1.Kustomization) bool {
	return TakesSecrets(k) || k.Spec.KubeConfig != nil ||
		slices.ContainsFunc(inventoryOf(k), func(ref v1beta1.ResourceRef) bool {
			_, _, group, kind, ok := ref.Split()
			return !ok || group == "" && kind == "Secret"
		})
}

// TakesSecrets reports whether any object of a Kustomization may hold what came from a Secret or from an encrypted
// file.
func TakesSecrets(k *v1beta1.Kustomization) bool {
	if k.Spec.Decryption != nil {
		return true
	}
	return k.Spec.PostBuild != nil &&
		slices.ContainsFunc(k.Spec.PostBuild.SubstituteFrom, func(r v1beta1.SubstituteReference) bool {
			return r.Kind == "Secret"
		})
}
