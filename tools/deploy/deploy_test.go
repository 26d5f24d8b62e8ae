// Package deploy tests the files of the folder deploy: each is read by the library or the program that it is for, and
// the settings and proxies in it are used with a live server.
package deploy

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const folder = "../../deploy"

// TestCompose reads the Compose file strictly, and checks that every file that it mounts is there.
func TestCompose(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{folder + "/compose/compose.yaml"}, cli.WithEnv([]string{
		"BELLHOP_VERSION=1.2.3"}), cli.WithInterpolation(true), cli.WithNormalization(true), cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := project.ServiceNames(); len(got) != 3 {
		t.Errorf("the services are %v", got)
	}
	server := project.Services["bellhop"]
	if server.Image != "docker.io/library/bellhop:1.2.3" || !server.ReadOnly || server.HealthCheck == nil {
		t.Errorf("the service bellhop is %+v", server)
	}
	for _, s := range project.Services {
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: the port %s is published for everybody", s.Name, p.Published)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != "bind" {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts a file that is not there: %v", s.Name, err)
			}
		}
		for _, secret := range s.Secrets {
			if _, ok := project.Secrets[secret.Source]; !ok {
				t.Errorf("%s has a secret that is not declared: %s", s.Name, secret.Source)
			}
		}
	}
}

// objects are the kinds that the manifests have.
func objects() map[string]any {
	return map[string]any{
		"ConfigMap":           &corev1.ConfigMap{},
		"NetworkPolicy":       &networkingv1.NetworkPolicy{},
		"PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
		"Service":             &corev1.Service{},
		"ServiceMonitor":      &monitoring.ServiceMonitor{},
		"StatefulSet":         &appsv1.StatefulSet{},
	}
}

// decode reads one object strictly: a field that its kind does not have is an error.
func decode(t *testing.T, text []byte) (kind string, object any) {
	t.Helper()
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(text, &head); err != nil {
		t.Fatal(err)
	}
	object, ok := objects()[head.Kind]
	if !ok {
		t.Fatalf("there is a %q", head.Kind)
	}
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		t.Errorf("%s: %v", head.Kind, err)
	}
	return head.Kind, object
}

// manifests returns the objects that `kubectl apply -k` makes.
func manifests(t *testing.T) map[string][]any {
	t.Helper()
	k := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	made, err := k.Run(filesys.MakeFsOnDisk(), folder+"/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]any{}
	for _, r := range made.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		kind, object := decode(t, text)
		all[kind] = append(all[kind], object)
	}
	return all
}

// TestKubernetes builds the kustomization, reads each object as its kind, and checks what ties them together.
func TestKubernetes(t *testing.T) {
	all := manifests(t)
	set := all["StatefulSet"][0].(*appsv1.StatefulSet)
	pod := set.Spec.Template
	server := pod.Spec.Containers[0]
	if !strings.HasPrefix(server.Image, "registry.example.com/bellhop:") {
		t.Errorf("the image is %s", server.Image)
	}
	ports := map[string]int32{}
	for _, p := range server.Ports {
		ports[p.Name] = p.ContainerPort
	}
	for _, o := range all["Service"] {
		s := o.(*corev1.Service)
		for name, value := range s.Spec.Selector {
			if pod.Labels[name] != value {
				t.Errorf("the service %s selects %s=%s, which the pod does not have", s.Name, name, value)
			}
		}
		for _, p := range s.Spec.Ports {
			if ports[p.TargetPort.StrVal] == 0 {
				t.Errorf("the service %s has the port %s, which the pod does not have", s.Name, p.TargetPort.StrVal)
			}
			if p.TargetPort.StrVal == "api" {
				t.Errorf("the service %s shows the API", s.Name)
			}
		}
	}
	for _, probe := range []*corev1.Probe{server.StartupProbe, server.LivenessProbe, server.ReadinessProbe} {
		if ports[probe.HTTPGet.Port.StrVal] == 0 {
			t.Errorf("a probe asks the port %s, which the pod does not have", probe.HTTPGet.Port.StrVal)
		}
	}
	mounted := []string{set.Spec.VolumeClaimTemplates[0].Name}
	for _, v := range pod.Spec.Volumes {
		mounted = append(mounted, v.Name)
		if v.ConfigMap != nil && v.ConfigMap.Name != all["ConfigMap"][0].(*corev1.ConfigMap).Name {
			t.Errorf("the volume %s is of another ConfigMap: %s", v.Name, v.ConfigMap.Name)
		}
	}
	for _, m := range server.VolumeMounts {
		if !slices.Contains(mounted, m.Name) {
			t.Errorf("the volume %s is mounted, and is not there", m.Name)
		}
	}
	// What Bellhop needs of the folder of its data, and what it does not need of the node.
	security := pod.Spec.SecurityContext
	if *security.FSGroupChangePolicy != corev1.FSGroupChangeOnRootMismatch || !*security.RunAsNonRoot ||
		!*server.SecurityContext.ReadOnlyRootFilesystem || *set.Spec.Replicas != 1 {
		t.Errorf("the security of the pod is %+v, %+v, replicas %d", security, server.SecurityContext,
			*set.Spec.Replicas)
	}

	text, err := os.ReadFile(folder + "/kubernetes/servicemonitor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, object := decode(t, text)
	if object.(*monitoring.ServiceMonitor).Spec.Endpoints[0].Port != "metrics" {
		t.Error("the ServiceMonitor asks another port")
	}
}

// TestStrict: the test above does find a field that is misspelt.
func TestStrict(t *testing.T) {
	var set appsv1.StatefulSet
	err := yaml.UnmarshalStrict([]byte("kind: StatefulSet\nspec:\n  replica: 1\n"), &set)
	if err == nil || !strings.Contains(err.Error(), `"replica"`) {
		t.Errorf("%v", err)
	}
}

// TestConfigurations checks the settings, sources and destinations of Compose and Kubernetes by `bellhop config check`,
// and starts a server with each.
func TestConfigurations(t *testing.T) {
	compose, err := os.ReadFile(folder + "/compose/bellhop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pod := manifests(t)["ConfigMap"][0].(*corev1.ConfigMap).Data["bellhop.yaml"]
	for name, text := range map[string]string{"compose": string(compose), "kubernetes": pod} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, secret := range []string{"shop", "receiver", "billing"} {
				err := os.WriteFile(filepath.Join(dir, secret),
					[]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=\n"), 0o600)
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, place := range []string{"/run/secrets/", "/etc/bellhop/secrets/"} {
				text = strings.ReplaceAll(text, "file:"+place, "file:"+dir+"/")
			}
			file := filepath.Join(dir, "bellhop.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := startServer(t, "--config", file)
			out := s.bellhop(t, "config", "check", file)
			if strings.Contains(out, "warning") {
				t.Errorf("bellhop config check: %s", out)
			}
			if out := s.bellhop(t, "destinations", "--json"); !strings.Contains(out, `"sources":["shop"]`) {
				t.Errorf("the destinations are %s", out)
			}
		})
	}
}

// TestEveryFile: each file of the folder is one that a test here, or one beside it, reads.
func TestEveryFile(t *testing.T) {
	known := []string{"compose/compose.yaml", "compose/bellhop.yaml", "compose/prometheus.yaml",
		"compose/secrets/.gitignore", "caddy/Caddyfile", "nginx/bellhop.conf", "kubernetes/servicemonitor.yaml",
		"kubernetes/kustomization.yaml"}
	list, err := os.ReadFile(folder + "/kubernetes/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		tested := strings.HasPrefix(path, "prometheus/") || strings.HasPrefix(path, "grafana/") ||
			slices.Contains(known, path) || bytes.Contains(list, []byte("- "+filepath.Base(path)+"\n"))
		if err == nil && !d.IsDir() && !tested {
			err = errors.New(path + " is read by no test")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
