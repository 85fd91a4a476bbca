//! Every target over its seeds and a fixed number of changed seeds: the same inputs on every run,
//! so that a failure is a finding and no luck. `smoke seeds TARGET FOLDER` writes seeds instead.

use std::{env, fs, io, panic, path::Path, process::ExitCode};

use usher_fuzz::{TARGETS, Target, seeds};

/// Changed seeds for each target.
const CHANGED: usize = 20_000;
/// Longer inputs find nothing new here, and cost time.
const LONGEST: usize = 16 << 10;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [verb, name, folder] = &*arguments
        && verb == "seeds"
    {
        return match write_seeds(&root, name, Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{name}: {why}");
                ExitCode::FAILURE
            }
        };
    }
    let mut failed = false;
    for target in TARGETS {
        match smoke(&root, target) {
            Ok(tried) => println!("{:<16} {tried} inputs", target.name),
            Err(why) => {
                eprintln!("{:<16} {why}", target.name);
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Each seed as a file, as libFuzzer wants them.
fn write_seeds(root: &Path, name: &str, folder: &Path) -> Result<(), String> {
    let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    let target = usher_fuzz::target(name).ok_or_else(|| format!("the targets are: {}", names()))?;
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for (number, seed) in seeds(root, target)?.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        Ok(())
    };
    write().map_err(|error| error.to_string())
}

fn smoke(root: &Path, target: &Target) -> Result<usize, String> {
    let seeds = seeds(root, target).map_err(|error| format!("the seeds: {error}"))?;
    if seeds.is_empty() {
        return Err("it has no seeds".to_owned());
    }
    for seed in &seeds {
        tried(target, seed)?;
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CHANGED {
        tried(target, &dice.changed(&seeds))?;
    }
    Ok(seeds.len() + CHANGED)
}

fn tried(target: &Target, input: &[u8]) -> Result<(), String> {
    panic::catch_unwind(|| (target.run)(input)).map_err(|_| {
        let file = env::temp_dir().join(format!("usher-fuzz-{}", target.name));
        let kept =
            fs::write(&file, input).map_or_else(|e| e.to_string(), |()| file.display().to_string());
        format!("failed; its input: {kept}\n{}", String::from_utf8_lossy(input))
    })
}

/// SplitMix64: numbers that are the same on every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    /// A seed with one to eight changes: octets flipped, taken out, put in, or taken from another.
    fn changed(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        const ODD: &[u8] = b"\0\t\n\r \"#%&'+,-./0123456789:;<=>?@[\\]^_`{|}~\x7f\x80\xc0\xe2\xff";
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            match self.below(5) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 if at < input.len() => drop(input.remove(at)),
                2 => input.insert(at, ODD[self.below(ODD.len())]),
                3 => input.truncate(at),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    let to = (from + 1 + self.below(32)).min(other.len());
                    input.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        input.truncate(LONGEST);
        input
    }
}
