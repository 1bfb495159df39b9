// Package manifests checks deployment/k8s without a cluster: everything can be
// built, is what the Kubernetes API knows, and keeps our own rules.
package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const k8s = "../../deployment/k8s"

// foreign are kinds whose types are not Kubernetes' own.
var foreign = map[string]bool{"ServiceMonitor": true}

// build returns the objects of a kustomization, decoded strictly: a field that
// the API does not know is an error.
func build(t *testing.T, dir string) []runtime.Object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Yaml: true, Strict: true})
	var objects []runtime.Object
	for _, r := range built.Resources() {
		if foreign[r.GetKind()] {
			continue
		}
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := strict.Decode(text, nil, nil)
		if err != nil {
			t.Errorf("%s: %s %s: %v", dir, r.GetKind(), r.GetName(), err)
			continue
		}
		objects = append(objects, object)
	}
	return objects
}

// with is an overlay of the local one with components.
func with(t *testing.T, components ...string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(k8s)
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(dir, root)
	if err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [" + relative + "/overlays/local]\ncomponents:\n"
	for _, c := range components {
		text += "- " + relative + "/components/" + c + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestManifests: all overlays, and all components together.
func TestManifests(t *testing.T) {
	entries, err := os.ReadDir(k8s + "/components")
	if err != nil {
		t.Fatal(err)
	}
	components := []string{"iam"} // which counts the variables that it patches
	for _, e := range entries {
		if e.Name() != "iam" && e.Name() != "shards" {
			components = append(components, e.Name())
		}
	}
	components = append(components, "shards") // which change the kind that others patch
	for name, dir := range map[string]string{
		"local": k8s + "/overlays/local", "production": k8s + "/overlays/production", "components": with(t, components...),
		"a role for shards": with(t, "shards", "iam"),
	} {
		t.Run(name, func(t *testing.T) {
			workloads := 0
			for _, o := range build(t, dir) {
				switch o := o.(type) {
				case *appsv1.Deployment:
					workloads++
					check(t, o.Name, o.Spec.Template.Spec)
				case *appsv1.StatefulSet:
					workloads++
					check(t, o.Name, o.Spec.Template.Spec)
					if o.Spec.Template.Spec.ServiceAccountName == "" {
						t.Errorf("%s has no role", o.Name)
					}
				case *corev1.Secret:
					t.Errorf("a secret is in the manifests: %s", o.Name)
				}
			}
			if workloads != 2 {
				t.Errorf("%d workloads, want the API and the worker", workloads)
			}
		})
	}
}

// check holds a pod against our rules.
func check(t *testing.T, name string, pod corev1.PodSpec) {
	t.Helper()
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: the pod may run as root, or without seccomp", name)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Errorf("%s: a token is mounted that nothing needs", name)
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		container(t, name+"/"+c.Name, c)
	}
	for _, c := range pod.Containers {
		if c.ReadinessProbe == nil || c.LivenessProbe == nil || c.ReadinessProbe.TimeoutSeconds < 2 || c.LivenessProbe.TimeoutSeconds < 2 {
			t.Errorf("%s/%s: probes are missing, or impatient", name, c.Name)
		}
	}
}

func container(t *testing.T, name string, c corev1.Container) {
	t.Helper()
	if _, tag, found := strings.Cut(c.Image, ":"); !found || tag == "latest" || tag == "" {
		t.Errorf("%s: image %s names no version", name, c.Image)
	}
	if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
		t.Errorf("%s: requests or limits are missing", name)
	}
	s := c.SecurityContext
	if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
		s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
		t.Errorf("%s: it may do more than it must", name)
	}
	for _, e := range c.Env {
		if secret := strings.Contains(e.Name, "PASS") || strings.Contains(e.Name, "SECRET"); secret && e.Value != "" {
			t.Errorf("%s: %s is in the manifest", name, e.Name)
		}
	}
}
