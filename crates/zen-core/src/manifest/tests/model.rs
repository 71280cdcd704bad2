//! What good tables mean.

use super::{good_step, good_step_with, load_all, render};
use crate::glob::Pattern;
use crate::manifest::resolve::{Overrides, resolve};
use crate::manifest::{Table, load};
use crate::model::template::{Part, Placeholder};
use crate::model::{BuildTarget, Command, InputSource, Model, Place, Rank, Step};
use crate::path::RelPath;
use crate::value::Value;
use std::time::Duration;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn model(root: &str, packages: &[(&str, &str)], overrides: &Overrides) -> Model {
    let (model, problems, sources) = load_all(root, packages, overrides);
    let errors: Vec<_> = problems.into_iter().filter(|p| p.severity == crate::diag::Severity::Error).collect();
    assert_eq!(render(&errors, &sources), "", "these tables have nothing wrong");
    model
}

fn find<'m>(model: &'m Model, id: &str) -> &'m Step {
    model.steps.iter().find(|step| step.display_id == id).unwrap_or_else(|| panic!("there is a step {id}"))
}

fn closures(step: &Step) -> Vec<String> {
    let show = |closure: &crate::model::ClosureRequest| {
        let dev = if closure.with_dev { "+dev" } else { "" };
        let target = match &closure.target {
            None => String::new(),
            Some(BuildTarget::Bin(name)) => format!(" bin {name}"),
            Some(BuildTarget::Example(name)) => format!(" example {name}"),
        };
        format!("{}{target}{dev}", closure.package)
    };
    step.closures.iter().map(show).collect()
}

/// The table of the contract, section 3.
#[test]
fn the_example_of_the_contract() {
    let root = r#"
        [workspace.metadata.zen]
        default-pipeline = "training"
        required-version = ">=0.1"
        cache-policy.expires-after = "30d"
        env.TZ = "UTC"
        pass-env = ["SSH_AUTH_SOCK"]
        pools.gpu = 1
        store.max-size = "20GiB"

        [workspace.metadata.zen.pipelines.training]
        description = "Train an SVC on iris"
        params.gamma = 0.002
        cache-policy.file-dependencies = ["conf/**/*.toml"]

        [workspace.metadata.zen.pipelines.training.steps.training_data_loader]
        run = "python3 tools/load.py {{ inputs.raw }} {{ outputs.x_train }} {{ outputs.y_train }}"
        inputs.raw.files = "data/iris.csv"
        outputs = ["x_train.csv", "y_train.csv"]

        [workspace.metadata.zen.pipelines.training.steps.svc_trainer]
        run.bin = "server"
        run.args = ["--gamma", "{{ params.gamma }}"]
        inputs = ["training_data_loader.x_train", "training_data_loader.y_train"]
        params = ["gamma"]
        outputs.trained_model = "models/svc.json"
        outputs.training_acc = { path = "metrics/train.json", metric = true }
        cache-policy.expires-after = 86400

        [workspace.metadata.zen.pipelines.ci]
        pipelines = ["training"]
    "#;
    let model = model(root, &[], &Overrides::default());
    assert_eq!(model.settings.default_pipeline.as_deref(), Some("training"));
    assert_eq!(model.settings.pools, [("cargo".to_owned(), 1), ("gpu".to_owned(), 1)].into());
    assert_eq!(model.settings.store_max_size, 20 << 30);
    let names: Vec<_> = model.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
    assert_eq!(names, ["ci", "training"]);
    assert_eq!(model.pipelines[0].members.len(), 1);

    let loader = find(&model, "training/training_data_loader");
    assert_eq!(loader.policy.expires_after, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(loader.policy.file_dependencies.len(), 1);
    assert_eq!(loader.pass_env, ["SSH_AUTH_SOCK"]);
    let place = Place::Path { path: path("target/zen/out/training/training_data_loader/x_train.csv"), folder: false };
    assert_eq!((&loader.outputs[0].place, loader.outputs[0].place_is_ours), (&place, true));

    let trainer = find(&model, "training/svc_trainer");
    assert_eq!(trainer.policy.expires_after, Some(Duration::from_secs(86_400)));
    assert_eq!(closures(trainer), ["api bin server"]);
    assert_eq!(trainer.params, [("gamma".to_owned(), Value::Float(0.002))].into());
    assert!(trainer.pipeline_params.is_empty(), "a parameter of the step is not one of the pipeline's as well");
    assert!(trainer.uses_cargo && !trainer.calls_cargo, "cargo builds it, and does not run in it");
    assert!(trainer.outputs[1].metric);
    let inputs: Vec<_> = trainer.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(inputs, ["x_train", "y_train"]);
    assert!(matches!(trainer.inputs[1].source, InputSource::Artifact(ref artifacts) if artifacts[0].output == 1));
}

#[test]
fn nearer_values_win_and_lists_join() {
    let root = r#"
        [workspace.metadata.zen]
        enable_cache = false
        retries = 1
        timeout = "1h"
        env = { A = "workspace", B = "workspace" }
        track-env = ["X", "W"]
        packages = ["cli"]
        shell = ["sh", "-c"]
        cache_policy = { include-platform = false, file-dependencies = "w", expires-after = "1d" }
        [workspace.metadata.zen.pipelines.w.steps.s]
        run = "true"
    "#;
    let package = r#"
        [package.metadata.zen]
        env.B = "package"
        cache-policy.file-dependencies = "k"
        [package.metadata.zen.pipelines.p]
        retries = 2
        track_env = ["X", "P"]
        cache-policy = { include-platform = true, file-dependencies = "p" }
        [package.metadata.zen.pipelines.p.steps.s]
        run = "true"
        enable-cache = true
        track-env = ["S"]
        packages = ["api"]
        env.A = "step"
        shell = ["bash", "-c"]
        cache-policy = { file-dependencies = "s", expires-after = "never" }
        [package.metadata.zen.pipelines.p.steps.plain]
        run = "true"
    "#;
    let model = model(root, &[("api", package)], &Overrides::default());
    let step = find(&model, "api:p/s");
    assert_eq!(step.enable_cache, (true, Rank::Step));
    assert_eq!(find(&model, "api:p/plain").enable_cache, (false, Rank::Workspace));
    assert_eq!(step.retries, 2);
    assert_eq!(step.timeout, Some(Duration::from_secs(3600)));
    let env: Vec<_> = step.env.iter().map(|(name, value)| format!("{name}={}", value.canonical())).collect();
    assert_eq!(env, ["A=step", "B=package"]);
    assert_eq!(step.track_env, ["P", "S", "W", "X"]);
    assert_eq!(closures(step), ["api+dev", "cli+dev"]);
    assert!(step.policy.include_platform && step.policy.include_step_code);
    assert_eq!(step.policy.expires_after, None, "`never` unsets");
    assert_eq!(find(&model, "api:p/plain").policy.expires_after, Some(Duration::from_secs(86_400)));
    let sets: Vec<_> = step.policy.file_dependencies.iter().map(|set| set.include[0].to_string()).collect();
    assert_eq!(sets, ["w", "crates/api/k", "crates/api/p", "crates/api/s"], "each relative to its table");
    let Command::Shell { shell, .. } = &step.command else { panic!("a string is for a shell") };
    assert_eq!(shell.as_deref(), Some(&["bash".to_owned(), "-c".to_owned()][..]));
    assert!(find(&model, "w/s").uses_cargo, "it has packages");
}

#[test]
fn references_look_in_the_same_table_first() {
    let pipeline = "pipelines.gen.steps.make = { run = \"true\", outputs = [\"x.txt\"] }\n";
    let root = format!(
        "[workspace.metadata.zen]\n{pipeline}pipelines.only.steps.o = {{ run = \"true\", outputs.y = \"y\" }}\n"
    );
    let package = format!(
        "[package.metadata.zen]\n{pipeline}pipelines.use.steps.s = {{ run = \"true\", after = [\"only/o\"], \
         inputs = {{ near = \"gen/make.x\", far = \"only/o\", cli = \"cli:gen/make\" }} }}\n"
    );
    let cli = format!("[package.metadata.zen]\n{pipeline}");
    let model = model(&root, &[("api", &package), ("cli", &cli)], &Overrides::default());
    let step = find(&model, "api:use/s");
    let sources: Vec<_> = (step.inputs.iter())
        .map(|input| match &input.source {
            InputSource::Artifact(artifacts) => format!("{}={}", input.name, model.step(artifacts[0].step).display_id),
            InputSource::Files(_) => panic!("all are references"),
        })
        .collect();
    assert_eq!(sources, ["cli=cli:gen/make", "far=only/o", "near=api:gen/make"]);
    let make = find(&model, "api:gen/make");
    assert_eq!(make.outputs[0].place.root(), &path("target/zen/out/api/gen/make/x.txt"));
}

#[test]
fn a_group_of_the_workspace_means_its_members_wherever_they_are_defined() {
    let test = "pipelines.test.steps.t = { run = \"true\" }\n";
    let root = format!(
        "[workspace.metadata.zen]\n{test}pipelines.ci.pipelines = [\"test\"]\npipelines.one.pipelines = [\"api:test\"]\n"
    );
    let package = format!("[package.metadata.zen]\n{test}pipelines.ci.pipelines = [\"test\", \"one\"]\n");
    let model = model(&root, &[("api", &package)], &Overrides::default());
    let members = |id: &str| -> Vec<String> {
        let pipeline = model.pipelines.iter().find(|pipeline| pipeline.display_id() == id).unwrap();
        pipeline.members.iter().map(|id| model.pipeline(*id).display_id()).collect()
    };
    assert_eq!(members("ci"), ["test", "api:test"]);
    assert_eq!(members("one"), ["api:test"]);
    assert_eq!(members("api:ci"), ["one", "api:test"]);
}

#[test]
fn commands_and_what_they_read() {
    let cases: &[(&str, &[&str], bool, bool)] = &[
        ("run = [\"cargo\", \"clippy\", \"-p\", \"api\"]", &["api+dev"], true, true),
        ("run = \"cargo build -p {{ params.k }}\"\nparams.k = \"cli\"", &["cli"], true, true),
        ("run = \"cargo build && ls\"\npackages = \"c*\"", &["cli+dev"], true, true),
        ("run = \"echo cargo\"", &[], false, false),
        ("run.example = \"demo\"", &["api example demo+dev"], true, false),
        ("run = { bin = \"tool\", package = \"cli\" }", &["cli bin tool"], true, false),
        ("run = { build = \"api\", features = [\"b,a\"] }\noutputs = [\"server\"]", &["api"], true, true),
        ("run = \"cargo test\"\ncache-policy.include-step-code = false", &[], true, true),
    ];
    for (lines, expected, uses, calls) in cases {
        let step = good_step(lines);
        assert_eq!(&closures(&step), expected, "{lines}");
        assert_eq!((step.uses_cargo, step.calls_cargo), (*uses, *calls), "uses and calls cargo: {lines}");
    }
    let built = good_step(cases[6].0);
    assert_eq!(built.closures[0].features, ["a", "b"]);
}

#[test]
fn a_cargo_command_in_a_package_reads_that_package() {
    let text = "[package.metadata.zen]\npipelines.p.steps.s = { run = [\"cargo\", \"build\"] }\n\
        pipelines.p.steps.bin = { run = { bin = \"tool\" } }\n";
    let model = model("", &[("cli", text)], &Overrides::default());
    assert_eq!(closures(find(&model, "cli:p/s")), ["cli"]);
    assert_eq!(closures(find(&model, "cli:p/bin")), ["cli bin tool"], "its own package's comes first");
    assert_eq!(find(&model, "cli:p/s").cwd, path("crates/cli"));
}

#[test]
fn params_keep_their_type() {
    let step = good_step(
        "params = { n = \"{{ pipeline.gamma }}\", text = \"g={{ pipeline.gamma }}\", list = [\"{{ pipeline.gamma }}\"] }\nrun = \"true\"",
    );
    assert_eq!(step.params["n"], Value::Float(0.5));
    assert_eq!(step.params["text"], Value::String("g=0.5".into()));
    assert_eq!(step.params["list"], Value::Array(vec![Value::Float(0.5)]));
    assert!(step.pipeline_params.is_empty() && step.args.is_none());
}

#[test]
fn a_value_in_a_path_is_no_glob() {
    let step = good_step(
        "run = \"true\"\nparams.d = \"a*b\"\nfiles = [\"{{ params.d }}/*.csv\", \"{{ params.d }}\", \"!{{ params.d }}/x\"]\n\
         outputs.o = \"out/{{ pipeline.gamma }}/\"\noutputs.g = \"gen/*.rs\"\ncwd = \"{{ params.d }}\"",
    );
    let odd = RelPath::root().child(b"a*b");
    assert!(step.files.matches(&odd.child(b"1.csv")) && !step.files.matches(&odd.child(b"x")));
    assert!(!step.files.matches(&path("aXb/1.csv")), "the star is part of a name");
    assert_eq!(step.cwd, odd);
    assert_eq!(step.outputs[1].place, Place::Path { path: path("out/0.5"), folder: true });
    assert_eq!(step.outputs[0].place, Place::Glob(Pattern::new(&RelPath::root(), "gen/*.rs").unwrap()));
    assert_eq!(step.pipeline_params, [("gamma".to_owned(), Value::Float(0.5))].into());
}

#[test]
fn templates_are_kept_for_the_command() {
    let overrides = Overrides { args: vec!["-v".into()], ..Overrides::default() };
    let step = good_step_with("run = [\"x\", \"{{inputs.a}}{{{{\", \"{{ args }}\"]\ninputs = [\"make.a\"]", &overrides);
    let Command::Argv(words) = &step.command else { panic!("an array is a program") };
    assert_eq!(words[1].parts, [Part::Placeholder(Placeholder::Input("a".into())), Part::Text("{{".into())]);
    assert_eq!(words[1].canonical(), "{{ inputs.a }}{{{{");
    assert_eq!(step.args, Some(vec!["-v".to_owned()]));
    assert_eq!(good_step_with("run = \"true\"", &overrides).args, None);
}

#[test]
fn threads_and_defaults() {
    let step = good_step("run = \"true\"");
    assert_eq!((step.threads, step.retries, step.timeout), (Some(1), 0, None));
    assert_eq!(good_step("run = \"true\"\nthreads-required = \"num-cpus\"").threads, None);
    assert_eq!(good_step("run = \"true\"\nthreads_required = 4").threads, Some(4));
}

const SETS: &str = "[workspace.metadata.zen]\nenable-cache = false\n\
    pipelines.a = { params.gamma = 0.5, steps.s = { run = \"true\", params = [\"gamma\"] }, steps.t = { run = \"true\", params.n = 1 } }\n\
    pipelines.b = { params.gamma = 7, params.name = \"x\", steps.s = { run = \"true\", params = [\"gamma\"] } }\n\
    pipelines.g = { pipelines = [\"b\"] }\n";

fn set(texts: &[&str], pipelines: &[&str]) -> (String, Model) {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let overrides = Overrides { set: owned(texts), pipelines: owned(pipelines), ..Overrides::default() };
    let (model, problems, sources) = load_all(SETS, &[], &overrides);
    (render(&problems, &sources), model)
}

#[test]
fn set_goes_to_the_selected_pipelines_with_the_declared_type() {
    let (problems, model) = set(&["gamma=1"], &["a"]);
    assert_eq!(problems, "");
    assert_eq!(find(&model, "a/s").params["gamma"], Value::Float(1.0));
    assert_eq!(find(&model, "b/s").params["gamma"], Value::Integer(7), "`b` is not selected");
    let (problems, model) = set(&["gamma=9", "name=a=b", "s.gamma=8"], &["g"]);
    assert_eq!(problems, "");
    assert_eq!(model.pipelines[1].params["gamma"], Value::Integer(9), "a member of the group");
    assert_eq!(model.pipelines[1].params["name"], Value::String("a=b".into()));
    assert_eq!(find(&model, "b/s").params["gamma"], Value::Integer(8), "the step's own comes over it");
    let (problems, model) = set(&["a/t.n=2"], &[]);
    assert_eq!(problems, "");
    assert_eq!(find(&model, "a/t").params["n"], Value::Integer(2));
}

#[test]
fn what_cannot_be_set() {
    let (problems, _) = set(&["gamma", "gama=1", "gamma=0.5", "t.m=1", "u.n=1", "t.n=x"], &["b"]);
    insta::assert_snapshot!(problems, @r#"
    error: `--set gama=1`: pipeline `b` declares no parameter `gama`
      help: did you mean `gamma`?
    error: `--set gamma` has no `=`
      help: `--set NAME=VALUE`, or `--set STEP.NAME=VALUE` for one step
    error: `--set t.m=1`: there is no step `t`
      help: steps: `s`
    error: `--set t.n=x`: there is no step `t`
      help: steps: `s`
    error: `--set u.n=1`: there is no step `u`
      help: steps: `s`
    error: `--set gamma=0.5`: `gamma` is an integer, and `0.5` is none
      --> Cargo.toml:4:24 `gamma` declared as 7
    "#);
    let (problems, _) = set(&["gama=1", "t.m=1", "t.n=x"], &["a"]);
    insta::assert_snapshot!(problems, @r#"
    error: `--set gama=1`: pipeline `a` declares no parameter `gama`
      help: did you mean `gamma`?
    error: `--set t.m=1`: step `t` declares no parameter `m`
      help: parameters: `n`
    error: `--set t.n=x`: `n` is an integer, and `x` is none
      --> Cargo.toml:3:118 `n` declared as 1
    "#);
}

#[test]
fn a_lone_package_has_the_settings_of_a_workspace() {
    let mut sources = crate::diag::Sources::default();
    let text = "[package]\nname = \"api\"\n[package.metadata.zen]\ndefault-pipeline = \"p\"\npools.gpu = 2\n\
        pipelines.p.steps.s = { run = \"true\", pool = \"gpu\", files = \"src\" }\n";
    let file = sources.add(path("Cargo.toml"), text);
    let table = |package: Option<&str>| Table { file, package: package.map(str::to_owned), base: RelPath::root() };
    let (declarations, mut problems) = load(&sources, &[table(None), table(Some("api"))]);
    let (model, more) = resolve(&declarations, &super::layout(), &Overrides::default(), &|_| Vec::new());
    problems.extend(more);
    assert_eq!(render(&problems, &sources), "");
    assert_eq!(model.settings.default_pipeline.as_deref(), Some("p"));
    assert_eq!(model.settings.pools["gpu"], 2);
}

#[test]
fn a_member_has_not() {
    let (_, problems, sources) =
        load_all("[workspace]\n", &[("api", "[package.metadata.zen]\npools.gpu = 1\n")], &Overrides::default());
    insta::assert_snapshot!(render(&problems, &sources), @r#"
    error: unknown key `pools` in `package.metadata.zen`
      --> crates/api/Cargo.toml:2:1 `pools` not a key of this table
      help: it belongs in `[workspace.metadata.zen]` of the root manifest: `pools`
    "#);
}

#[test]
fn source_dependencies_are_closures_and_items_of_all_places() {
    let root = r#"
        [workspace.metadata.zen]
        cache-policy.source-dependencies = ["api::a", "cli"]
        [workspace.metadata.zen.pipelines.p]
        params.item = "f"
        cache_policy.source_dependencies = "cli::x::r#type"
        [workspace.metadata.zen.pipelines.p.steps.s]
        run = "true"
        cache-policy.source-dependencies = ["api::{{ pipeline.item }}", "api::a"]
        cache-policy.include-step-code = false
    "#;
    let model = model(root, &[], &Overrides::default());
    let step = &model.steps[0];
    let items: Vec<String> = step.policy.source_items.iter().map(ToString::to_string).collect();
    assert_eq!(items, ["api::a", "api::f", "cli::x::type"]);
    let closures: Vec<_> = step.closures.iter().map(|request| (&*request.package, request.with_dev)).collect();
    assert_eq!(closures, [("cli", true)], "as `packages` asks for it");
    assert!(step.uses_cargo);
}
