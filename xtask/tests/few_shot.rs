//! Few-shot commands as a person types them: missing data, own pictures from training to answers, a sweep.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use bed::{Bed, run};
use hyp_data::source::synthetic;

#[test]
fn missing_data_are_named_with_size_licence_and_what_to_type() {
    for (id, name, words) in [
        ("table2", "efficientnet_lite0", "EfficientNet"),
        ("table4", "mini_imagenet", "mini-ImageNet"),
        ("table5", "cub", "Birds"),
        ("table7", "omniglot", "Omniglot"),
    ] {
        let bed = Bed::of_experiment(id);
        let (code, text) = run(&bed, &["reproduce", id]);
        assert_eq!(code, 1, "{text}");
        let fetch = format!("cargo xtask fetch {name}");
        let smoke = format!("cargo xtask reproduce {id} --scale smoke");
        for word in [words, "is missing", "B; licence", &fetch, &smoke] {
            assert!(text.contains(word), "`{word}` is missing in: {text}");
        }
    }
}

#[test]
fn pictures_that_nobody_may_fetch_are_missed_before_anything_else() {
    let bed = Bed::of_experiment("table6");
    let (code, text) = run(&bed, &["reproduce", "table6"]);
    assert!(
        code == 1 && text.contains("Market-1501 is missing") && text.contains("licence: academic"),
        "{text}"
    );
    assert!(!text.contains("committed"), "{text}");
}

/// Ten kinds of coloured pictures below `folder`, 64 × 64.
fn pictures(bed: &Bed, folder: &str, classes: usize, per_class: usize, seed: u64) {
    let made = synthetic::coloured(classes, per_class, 64, seed);
    synthetic::write_folder(&made, &bed.root().join(folder)).unwrap();
}

#[test]
fn own_pictures_go_from_training_to_answers() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    pictures(&bed, "images", 6, 6, 0);
    bed.write("images/0/broken.png", "no picture");
    let path = |name: &str| bed.root().join(name).display().to_string();
    let images = path("images");
    let train = [
        "train",
        "fewshot",
        "--images",
        &images,
        "--way",
        "2",
        "--query",
        "2",
        "--epochs",
        "2",
        "--episodes",
        "3",
        "--out",
        "mine",
    ];
    let (code, text) = run(&bed, &train);
    assert_eq!(code, 0, "{text}");
    for word in
        ["left out", "broken.png", "2 for training, 2 for validation, 2 for testing", "predict --model"]
    {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }

    let (code, text) = run(&bed, &train);
    assert!(code == 1 && text.contains("holds a trained model") && text.contains("--resume"), "{text}");
    let (code, text) =
        run(&bed, &[&train[..], &["--resume", "--geometry", "euclidean", "--shot", "2"]].concat());
    assert_eq!(code, 1, "{text}");
    for word in
        ["--geometry is euclidean and was poincare", "--shot is 2 and was 1", "--c is absent and was 0.001"]
    {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    let (code, text) = run(&bed, &["train", "fewshot", "--images", &images, "--way", "1"]);
    assert!(code == 1 && text.contains("--way 1"), "{text}");
    // The same classes in every part, as folders of pictures for classification have them.
    for part in ["train", "val", "test"] {
        pictures(&bed, &format!("shared/{part}"), 3, 4, 0);
    }
    let (code, text) =
        run(&bed, &["train", "fewshot", "--images", &path("shared"), "--way", "2", "--query", "2"]);
    assert!(code == 1 && text.contains("the class `0`") && text.contains("has not seen"), "{text}");

    // One class of validation has no other to be told from.
    pictures(&bed, "narrow/train", 3, 4, 0);
    for (part, name) in [("val", "a"), ("test", "b")] {
        pictures(&bed, &format!("narrow/{part}"), 1, 4, 0);
        let folder = bed.root().join("narrow").join(part);
        std::fs::rename(folder.join("0"), folder.join(name)).unwrap();
    }
    let (code, text) = run(&bed, &["train", "fewshot", "--images", &path("narrow"), "--query", "2"]);
    assert!(code == 1 && text.contains("validation part") && text.contains("one class"), "{text}");
    // A list of which one picture has no part.
    let list = "path,class,split\nimages/1/0000.png,1,train\nimages/2/0000.png,2,\n";
    bed.write("list.csv", list);
    let (code, text) = run(&bed, &["train", "fewshot", "--images", &path("list.csv")]);
    assert!(code == 1 && text.contains("1 of 2 pictures belong to no part"), "{text}");

    // What was interrupted is not begun anew by accident.
    let saved = bed.read("mine/model.json");
    std::fs::remove_file(bed.root().join("mine/model.json")).unwrap();
    let (code, text) = run(&bed, &train);
    assert!(code == 1 && text.contains("not come to its end") && text.contains("--resume"), "{text}");
    bed.write("mine/model.json", &saved);

    pictures(&bed, "support", 3, 3, 1);
    pictures(&bed, "query", 3, 2, 2);
    bed.write("query/1/broken.jpg", "no picture");
    let image = std::fs::read(bed.root().join("query/0/0000.png")).unwrap();
    std::fs::create_dir_all(bed.root().join("query/heron")).unwrap();
    std::fs::write(bed.root().join("query/heron/a.png"), image).unwrap();
    let (model, support, query) = (path("mine"), path("support"), path("query"));
    let (csv, json) = (path("answers.csv"), path("answers.json"));
    let of_model = ["predict", "--model", &model, "--support", &support, "--query"];
    let predict = [&of_model[..], &[&query, "--reject", "1", "--csv", &csv, "--json", &json]].concat();
    let (code, text) = run(&bed, &predict);
    assert_eq!(code, 0, "{text}");
    for word in ["8 pictures, 3 classes; 1 could not be used", "heron/a.png", "rejected", "not named after"] {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    let answers: serde_json::Value = serde_json::from_str(&bed.read("answers.json")).unwrap();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 8);
    let broken = answers.iter().find(|answer| answer["picture"] == "1/broken.jpg").unwrap();
    assert!(
        broken["class"].is_null() && broken["error"].as_str().unwrap().contains("broken.jpg"),
        "{broken}"
    );
    for answer in answers.iter().filter(|answer| answer["error"].is_null()) {
        let probability = answer["probability"].as_f64().unwrap();
        assert!((1.0 / 3.0 - 1e-9..=1.0).contains(&probability), "the best of three: {answer}");
        assert!(answer["distance_to_origin"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(bed.read("answers.csv").lines().count(), 9);

    // Answers for a pipe, and nothing to answer.
    let broken = path("query/1/broken.jpg");
    let into_pipe = [&of_model[..], &[&broken, "--csv", "/dev/stdout"]].concat();
    let (code, text) = run(&bed, &into_pipe);
    assert!(code == 1 && text.contains("no picture of") && text.contains("picture,class,"), "{text}");
    let said = bed.root().join("said.txt");
    let status = std::process::Command::new(bed::program())
        .args(of_model)
        .args([&query, "--csv", "/dev/stdout"])
        .stdout(std::fs::File::create(&said).unwrap())
        .status();
    assert!(status.unwrap().success());
    let said = bed.read("said.txt");
    assert!(said.contains("picture,class,") && said.contains("\n8 pictures, 3 classes"), "{said}");
    assert_eq!(said.matches("heron/a.png").count(), 2, "once in each form: {said}");
    let into_folder = [&of_model[..], &[&query, "--csv", &query]].concat();
    let (code, text) = run(&bed, &into_folder);
    assert!(code == 1 && text.contains("is a folder"), "{text}");

    let single = path("query/0/0000.png");
    let (code, text) = run(&bed, &[&of_model[..], &[&single]].concat());
    assert!(code == 0 && text.contains("| 0000.png | "), "{text}");
    let (code, text) = run(&bed, &["train", "fewshot", "--images", &single, "--out", "other"]);
    assert!(code == 1 && text.contains("0000.png") && text.contains("name a folder"), "{text}");

    let (code, text) = run(&bed, &["predict", "--model", &support, "--support", &support, "--query", &query]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("model.json") && text.contains("train fewshot"), "{text}");
}

#[test]
fn own_pictures_are_trained_on_a_sphere_and_with_a_trained_curvature() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    pictures(&bed, "images", 6, 6, 0);
    let path = |name: &str| bed.root().join(name).display().to_string();
    let images = path("images");
    let train = |out: &str, more: &[&str]| {
        let short = ["--way", "2", "--query", "2", "--epochs", "1", "--episodes", "2", "--dim", "8"];
        run(&bed, &[&["train", "fewshot", "--images", &images, "--out", out], &short[..], more].concat())
    };
    let (code, text) = train("sphere", &["--geometry", "fixed-radius", "--radius", "3"]);
    assert_eq!(code, 0, "{text}");
    pictures(&bed, "support", 3, 3, 1);
    let (model, support) = (path("sphere"), path("support"));
    let predict = ["predict", "--model", &model, "--support", &support, "--query", &support];
    let (code, text) = run(&bed, &predict);
    // 2‖x‖ of the points, whatever the pictures.
    assert!(code == 0 && text.contains("every example is at d(x, 0) = 6.000"), "{text}");
    let (code, text) = run(&bed, &[&predict[..], &["--reject", "0.1"]].concat());
    assert!(code == 1 && text.contains("keeps all points at one norm"), "{text}");
    let (code, text) = train("sphere", &["--geometry", "fixed-radius", "--resume"]);
    assert!(code == 1 && text.contains("--radius is 2.3 and was 3"), "{text}");

    let (code, text) = train("ball", &["--train-c", "--c", "0.5"]);
    assert!(code == 0 && text.contains("curvature parameter after training: "), "{text}");
    assert!(!text.contains("after training: 5.0000e-1"), "c was not trained: {text}");
    let (code, text) = train("ball", &["--c", "0.5", "--resume"]);
    assert!(code == 1 && text.contains("--train-c is absent and was true"), "{text}");

    pictures(&bed, "thin", 6, 4, 0);
    let (code, text) = run(&bed, &["train", "fewshot", "--images", &path("thin")]);
    for word in ["1 + 10 pictures of a class", "`0` (4)", "and 3 more", "--query 3"] {
        assert!(code == 1 && text.contains(word), "`{word}` is missing in: {text}");
    }

    for (options, words) in [
        (&["--geometry", "euclidean", "--c", "0.1"][..], "--c is of the curved spaces"),
        (&["--backbone", "resnet12"], "--dim is of a Conv4"),
        (&["--shot", "18446744073709551615"], "give at most 1000000"),
        (&["--geometry", "cosine", "--train-c"], "--train-c is of the curved spaces"),
        (&["--geometry", "euclidean", "--clip", "1"], "--clip is of the curved spaces"),
        (&["--radius", "2"], "--radius is of the sphere"),
        (&["--geometry", "fixed-radius", "--radius", "0"], "radius"),
    ] {
        let (code, text) = train("refused", options);
        assert!(code == 1 && text.contains(words), "{text}");
    }
}

#[test]
fn the_episodes_of_a_test_are_left_behind_and_replayed() {
    let bed = Bed::of_experiment("table7");
    let config = "docs/experiments/table7.toml";
    bed.replace(
        config,
        "epochs = 3\nepisodes = 25\nvalidation_episodes = 100\ntest_episodes = 1000\n",
        "epochs = 1\nepisodes = 2\nvalidation_episodes = 5\ntest_episodes = 20\n",
    );
    let row =
        ["reproduce", "table7", "--scale", "smoke", "--no-record", "--row", "protonet/conv4/1shot/5way"];
    let (code, first) = run(&bed, &row);
    assert_eq!(code, 0, "{first}");
    let folder = bed.root().join("runs/table7.smoke/episodes");
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let [name] = &names[..] else { panic!("one list for one size of episodes: {names:?}") };
    let list = format!("runs/table7.smoke/episodes/{}", name.to_str().unwrap());

    let id = "id = \"protonet/conv4/1shot/5way\"\n";
    bed.replace(config, id, &format!("{id}replay = \"{list}\"\n"));
    let resumed = [&row[..], &["--resume"]].concat();
    let (code, replayed) = run(&bed, &resumed);
    assert_eq!(code, 0, "{replayed}");
    let accuracy = |text: &str| {
        let line = text.lines().find(|line| line.contains("| accuracy |")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no accuracy in: {text}"))
    };
    assert_eq!(accuracy(&replayed), accuracy(&first), "the same model on the same episodes");

    // Weights of a training that was begun anew and not ended are no model.
    let trained = bed.root().join("runs/table7.smoke/trained");
    let hash = std::fs::read_dir(&trained).unwrap().next().unwrap().unwrap();
    std::fs::remove_file(hash.path().join("seed0/finished")).unwrap();
    synthetic::write_folder(&synthetic::coloured(3, 3, 28, 1), &bed.root().join("support")).unwrap();
    let path = |name: &str| bed.root().join(name).display().to_string();
    let (model, support) = (path("runs/table7.smoke/protonet/conv4/1shot/5way/seed0"), path("support"));
    let predict = ["predict", "--model", &model, "--support", &support, "--query", &support];
    let (code, text) = run(&bed, &predict);
    assert!(code == 1 && text.contains("has not come to its end") && text.contains("--resume"), "{text}");
    let (code, text) = run(&bed, &[&row[..], &["--resume"]].concat());
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(&bed, &predict);
    assert_eq!(code, 0, "{text}");

    // Half of the episodes are another test, and what is no episode is refused by its line.
    let text = bed.read(&list);
    let half: Vec<&str> = text.lines().take(13).collect();
    bed.write(&list, &(half.join("\n") + "\n"));
    let (code, replayed) = run(&bed, &resumed);
    assert_eq!(code, 0, "{replayed}");
    assert_ne!(accuracy(&replayed), accuracy(&first), "another list is another test");
    // Episodes of another size are refused before anything is trained.
    let (size, other) =
        ("test = { way = 5, shot = 1, query = 15 }", "test = { way = 5, shot = 1, query = 14 }");
    bed.replace(config, size, other);
    let (code, text_of_size) = run(&bed, &row);
    assert!(code == 1 && text_of_size.contains("is tested on"), "{text_of_size}");
    assert!(!text_of_size.contains("rows done"), "{text_of_size}");
    bed.replace(config, other, size);
    bed.write(&list, &text.replacen('|', "", 1));
    let (code, text) = run(&bed, &resumed);
    assert!(code == 1 && text.contains("line 4") && text.contains(name.to_str().unwrap()), "{text}");
}

#[test]
fn a_sweep_has_the_suggested_curvatures_and_goes_on() {
    let bed = Bed::of_experiment("table7");
    bed.replace(
        "docs/experiments/table7.toml",
        "epochs = 3\nepisodes = 25\nvalidation_episodes = 100\ntest_episodes = 1000\n",
        "epochs = 1\nepisodes = 2\nvalidation_episodes = 5\ntest_episodes = 20\n",
    );
    let sweep = ["sweep", "table7", "--grid", "c=0.01", "--scale", "smoke"];
    let (code, text) = run(&bed, &sweep);
    assert_eq!(code, 0, "{text}");
    for word in
        ["| 0 |", "| 0.01 |", "| 0.05 |", "| 0.33 |", "c(X) = ", "best c by validation", "predicted c(X)"]
    {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    let folder = "runs/sweep/table7.smoke/hyp-protonet/conv4/1shot/5way";
    let before = bed.read(&format!("{folder}/sweep.seed0.csv"));
    assert_eq!(before.lines().count(), 6, "{before}");
    assert_eq!(before.lines().filter(|line| line.ends_with(",true")).count(), 1, "one is c(X): {before}");
    assert!(text.contains(" = c(X) |"), "{text}");
    assert!(bed.root().join(folder).join("c=0.33/seed0/outcome.json").is_file());
    let changed = |bed: &Bed| {
        std::fs::metadata(bed.root().join(folder).join("c=0.33/seed0/outcome.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let first = changed(&bed);
    let (code, text) = run(&bed, &["sweep", "table7", "--grid", "c=0.01,0.1", "--scale", "smoke"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(changed(&bed), first, "a finished cell is kept");
    assert_eq!(bed.read(&format!("{folder}/sweep.seed0.csv")).lines().count(), 7);

    // What is shipped has five classes for testing.
    let wide = ["reproduce", "table7", "--scale", "smoke", "--row", "hyp-protonet/conv4/1shot/20way"];
    let (code, text) = run(&bed, &wide);
    assert_eq!(code, 0, "{text}");

    let (code, text) = run(&bed, &["sweep", "table7", "--grid", "lr=1"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("c=0.001"), "{text}");
}
